"""Broken versions of the Python class, each a change of one text in one file; every one must be caught by our tests.

The old text must occur in its file exactly once, so that a mutant that no longer fits the code is noticed. ``first`` names the
tests that are run first, since they should catch it; if they do not, all are run. Must not break an import: a mutant works
except for one thing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...] = ()


CONTRACT, UNIT = "tests/contract", "tests/unit"

MUTANTS = (
    Mutant(
        "no rate limit",
        "session/limits.py",
        'return self.limit_rate and self.overload == "hold"',
        "return False",
        (f"{UNIT}/test_limits.py",),
    ),
    Mutant(
        "the rate limit of single messages is ignored",
        "connection.py",
        "return not per_message.within_rate(self._hooks, self.link.limiter, Limits.of(self), msg, msg_list)",
        "return False",
        (f"{CONTRACT}/test_rates.py", f"{CONTRACT}/test_hooks.py"),
    ),
    Mutant(
        "rate notices are not told",
        "session/limiter.py",
        "self._show = show\n",
        "self._show = lambda text, _: log.warning(text)\n",
        (f"{CONTRACT}/test_rates.py",),
    ),
    Mutant(
        "replay lost",
        "session/session.py",
        "            if self.outbox.detach(heard=heard):\n",
        "            self.outbox.clear()\n            if self.outbox.detach():\n",
        (f"{CONTRACT}/test_outbox.py",),
    ),
    Mutant(
        "replay in the wrong order",
        "client/link.py",
        "for channel, messages in itertools.groupby(buffered, key=itemgetter(0)):",
        "for channel, messages in itertools.groupby(reversed(buffered), key=itemgetter(0)):",
        (f"{UNIT}/test_lending.py",),
    ),
    Mutant(
        "a session is given to another user",
        "client/session_keys.py",
        "ours = session is None or session.identity.owner == owner",
        "ours = True",
        (f"{UNIT}/test_session_keys.py",),
    ),
    Mutant(
        "nothing is kept of a session whose client is gone",
        "client/link.py",
        "if counted and alive and session.identity.named and manager.buffer_offline_messages:",
        "if counted and not alive:",
        (f"{CONTRACT}/test_disconnecting.py",),
    ),
    Mutant(
        "the detached sessions of a dead kernel are kept",
        "session/registry.py",
        "        if session.stats.detached_at is not None:\n            self.end(session)\n",
        "        pass\n",
        (f"{UNIT}/test_registry.py",),
    ),
    Mutant(
        "close_all does nothing",
        "client/session_keys.py",
        "for connection in connections:",
        "for connection in list(connections)[:0]:",
        (f"{CONTRACT}/test_construction.py", f"{CONTRACT}/test_disconnecting.py"),
    ),
    Mutant(
        "stale session kept",
        "client/session_keys.py",
        "if stale is not None and stale is not hooks.websocket_handler:",
        "if stale is not None and stale is hooks.websocket_handler:",
        (f"{UNIT}/test_session_keys.py",),
    ),
    Mutant(
        "a connection that was replaced frees the session of its successor",
        "client/session_keys.py",
        "if held.get(hooks.session_key) is hooks.websocket_handler:",
        "if hooks.session_key in held:",
        (f"{UNIT}/test_session_keys.py",),
    ),
    Mutant(
        "no restart status",
        "connection.py",
        'self._send_status_message("restarting")',
        "pass",
        (f"{CONTRACT}/test_restarts.py", "tests/bridge"),
    ),
    Mutant(
        "no status of a dead kernel",
        "connection.py",
        'self._send_status_message("dead")',
        "pass",
        (f"{CONTRACT}/test_restarts.py",),
    ),
    Mutant(
        "a status overtakes what was published before",
        "client/notices.py",
        "            iopub.kernel.feed.after_drain(announce)\n",
        "            announce()\n",
        (f"{CONTRACT}/test_restarts.py",),
    ),
    Mutant(
        "nudge skipped",
        "kernel/probe.py",
        '    if getattr(kernel_manager, "execution_state", None) == "busy" and not kernel.restarted:\n',
        "    if kernel is not None:\n",
        (f"{CONTRACT}/test_readiness.py",),
    ),
    Mutant(
        "an ended connection lives on",
        "states.py",
        "    (LinkState.LIVE, LinkEvent.END): LinkState.ENDED,\n",
        "    (LinkState.LIVE, LinkEvent.END): LinkState.LIVE,\n",
        (f"{UNIT}/test_states.py",),
    ),
    Mutant(
        "a nudge leaks its sockets",
        "kernel/probe.py",
        "        self._replied.cancel()\n        self._probe.close()\n",
        "        self._replied.cancel()\n",
        (f"{CONTRACT}/test_descriptors.py",),
    ),
    Mutant(
        "allow-list ignored",
        "client/inbound.py",
        "if not allowed:",
        "if not allowed or allowed:",
        (f"{CONTRACT}/test_odd_but_legal.py",),
    ),
    Mutant(
        "tracebacks shown",
        "messages/redact.py",
        'if manager is None or getattr(manager, "allow_tracebacks", True):',
        'if manager is None or getattr(manager, "allow_tracebacks", True) in (True, False):',
        (f"{UNIT}/test_redact.py",),
    ),
    Mutant(
        "tracebacks shown in replies",
        "messages/redact.py",
        'if msg_type != "error" and not msg_type.endswith("_reply"):',
        'if msg_type != "error":',
        (f"{UNIT}/test_redact.py",),
    ),
    Mutant(
        "signatures not checked on shell, control and stdin",
        "connection.py",
        "keys, verify = self.keys, self.verify_signatures or self.subprotocol != _core.V1",
        "keys, verify = self.keys, False",
        (f"{CONTRACT}/test_kernel_messages.py",),
    ),
    Mutant(
        "signatures not checked on iopub",
        "kernel/kernel.py",
        'self._keys.receiver("iopub", verify=verify)',
        'self._keys.receiver("iopub", verify=False)',
        (f"{CONTRACT}/test_kernel_messages.py",),
    ),
    Mutant(
        "frames garbled",
        "client/outbound.py",
        "        for buffer in buffers:\n            rest",
        '        for buffer in [bytes(one[:-1]) + b" " for one in buffers]:\n            rest',
        (f"{CONTRACT}/test_kernel_messages.py",),
    ),
    Mutant(
        "random identity",
        "kernel/connect.py",
        'return getattr(self._manager, "connect_" + self._name)(identity=self._identity)',
        'return getattr(self._manager, "connect_" + self._name)(identity=self._name.encode() + str(id(self)).encode())',
        (f"{CONTRACT}/test_construction.py", f"{CONTRACT}/test_connecting.py"),
    ),
    Mutant(
        "no version adaptation",
        "client/prepare.py",
        'hooks.session.adapt_version = int(version.split(".")[0])',
        'int(version.split(".")[0])',
        ("tests/bridge/test_protocol_4.py",),
    ),
    Mutant(
        "buffers lost to the client",
        "messages/adapt.py",
        'return parts + list(message.get("buffers") or ())',
        "return parts",
        (f"{UNIT}/test_adapt.py",),
    ),
    Mutant(
        "buffers lost to the kernel",
        "client/inbound.py",
        '"buffers": message.parts[4:],',
        '"buffers": [],',
        ("tests/parity/test_incoming.py",),
    ),
    Mutant(
        "messages that were held are reordered",
        "kernel/feed_channel.py",
        "for batch in held:",
        "for batch in reversed(held):",
        (f"{UNIT}/test_channels.py",),
    ),
    Mutant(
        "messages that were held are lost",
        "kernel/feed_channel.py",
        "self._held.append(batch)",
        "pass",
        (f"{UNIT}/test_channels.py",),
    ),
    Mutant(
        "what libzmq does not take at once is lost",
        "sockets/channel.py",
        "            reader.unsent.append(msg)\n",
        "            pass\n",
        (f"{UNIT}/test_channels.py",),
    ),
    Mutant(
        "restart callbacks never removed",
        "client/link.py",
        (
            "            manager.remove_restart_callback(kernel_id, self.hooks.on_kernel_restarted)\n"
            '            manager.remove_restart_callback(kernel_id, self.hooks.on_restart_failed, "dead")\n'
        ),
        "            pass\n",
        (f"{CONTRACT}/test_disconnecting.py", f"{CONTRACT}/test_restarts.py"),
    ),
    Mutant(
        "probes shown",
        "kernel/kernel.py",
        "batch.discard(parent_session=self.proof.asking,",
        'batch.discard(parent_session="somebody else",',
        (f"{UNIT}/test_kernel.py",),
    ),
    Mutant(
        "iopub_welcome shown",
        "kernel/kernel.py",
        'msg_type="iopub_welcome"',
        "msg_type=None",
        (f"{UNIT}/test_kernel.py",),
    ),
    Mutant(
        "notices with the client's session",
        "messages/notices.py",
        '        message["header"]["session"] = self.kernel_session or message["header"]["session"]\n',
        "",
        (f"{UNIT}/test_notices.py",),
    ),
    Mutant(
        "TCP_NODELAY not set",
        "client/websocket.py",
        "handler.set_nodelay(True)",
        "handler.set_nodelay(False)",
        (f"{CONTRACT}/test_connecting.py",),
    ),
    Mutant(
        "disconnect counted twice",
        "connection.py",
        "        if counted:\n",
        "        if counted or self.channels is not None:\n",
        (f"{CONTRACT}/test_disconnecting.py",),
    ),
)
