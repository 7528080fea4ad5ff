"""``Link``: connects one WebSocket to a session, and disconnects it.

``connect`` opens or resumes the session and returns without waiting for the kernel, so the server reads the WebSocket at
once. Control messages are sent on immediately; shell messages are queued until the kernel is ready. A callback that may run
late checks the state first and does nothing if the link has ended. A failure closes the WebSocket with a code and a reason,
but never with 1000 or 1001, after which JupyterLab would not reconnect. Disconnecting must not raise, even if other code has
closed the WebSocket or the channels before.
"""

import asyncio
import itertools
import time
from functools import cached_property
from operator import itemgetter
from typing import Any

from jupyter_client.session import Session

from ..kernel import journals
from ..kernel.kernel import Kernel, kernel_of
from ..kernel.probe import Nudge, needs_nudge
from ..messages import adapt
from ..record.counters import TOTALS
from ..record.faults import FaultLog
from ..session import lending, owners
from ..session.facts import Identity
from ..session.limiter import DropLimiter
from ..session.limits import Limits
from ..session.registry import INTERNAL_ERROR, Registry, registry_of
from ..session.session import ClientSession
from ..states import LINK_TRANSITIONS, LinkEvent, LinkState, Machine
from . import websocket
from .hooks import Hooks
from .inbound import Inbound
from .notices import Notices
from .outbound import Writer
from .prepare import NO_KERNEL


class Link:
    """One WebSocket. Implements ``session.client.Client``."""

    def __init__(self, hooks: Hooks, base: type) -> None:
        """``hooks`` is the public connection object, ``base`` kernelws's own class: see ``Writer``."""
        self.hooks = hooks
        self.log = hooks.log
        self.began = time.monotonic()
        self.machine: Machine[LinkState, LinkEvent] = Machine(LINK_TRANSITIONS, LinkState.NEW)
        self.faults = FaultLog(self.log, f"client of kernel {hooks.kernel_id}")
        self.limiter = DropLimiter(hooks.session, self.log, hooks.write_stderr)
        self.writer = Writer(hooks, base)
        self.wake = self.writer.wake
        self.notices = Notices(self)
        self.inbound = Inbound(self)
        self.limits = Limits.of(hooks)
        hooks.observe_limits(self._follow)
        self.session: ClientSession | None = None
        """Set from ``connect`` to ``disconnect``. The session can outlive the WebSocket."""
        self.kernel_session: str | None = None
        """``header.session`` of the last kernel message that bypassed the session's outbox."""
        self.page_closed = False
        """Whether the client sent a close frame as a page does when it is closed."""
        self.received_all = False
        """Whether the client sent a close frame after everything written to it had left this process."""
        self._opening: asyncio.Future[None] | None = None
        """The task that waits for the nudge of ``connect``. The event loop keeps only a weak reference to it."""
        self._nudges: set[Nudge] = set()

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel, shared with its other clients."""
        return kernel_of(self.hooks.kernel_manager)

    @cached_property
    def registry(self) -> Registry:
        """The registry of the server's sessions."""
        return registry_of(self.hooks.multi_kernel_manager)

    @property
    def ended(self) -> bool:
        return self.machine.state is LinkState.ENDED

    @property
    def heard_session(self) -> str | None:
        """``header.session`` of the kernel's last message, from whichever source has seen one; None before the first."""
        heard = self.session.stats.kernel_session if self.session is not None else None
        return heard or self.kernel_session or self.kernel.kernel_session

    # connecting

    def connect(self) -> "asyncio.Future[None]":
        """Opens or resumes the session. Returns a completed future."""
        hooks = self.hooks
        if not self.machine.on(LinkEvent.CONNECT):
            self.close(INTERNAL_ERROR, "this connection was already opened or ended")
        elif hooks.kernel_id not in hooks.multi_kernel_manager:
            self.close(INTERNAL_ERROR, NO_KERNEL.format(hooks.kernel_id))
        else:
            self._connect()
        return _done()

    def _connect(self) -> None:
        websocket.configure(self.hooks.websocket_handler, self.hooks.max_message_size, self)
        self.writer.choose_write_path()
        if self.writer.may_hide:
            journals.hide(self.hooks.multi_kernel_manager, self.kernel)
        try:
            buffered = self._open_session()
            nudged = self.hooks.nudge()
        except Exception as error:  # noqa: BLE001 - tornado would log any error together with the URI and its token
            self.cannot_open(error)
            return
        self._watch()
        self._notify_if_discarded()
        self.hooks.subscribe()
        if buffered is not None:
            self._replay(buffered["buffer"])
        self._repeat_status()
        if nudged.done():
            self._ready()
        else:
            self._opening = asyncio.ensure_future(self._wait_for_nudge(nudged))

    def _notify_if_discarded(self) -> None:
        """Sends a notice if the client's last session was evicted or its outbox failed."""
        key, registry = self.hooks.session_key, self.registry
        if key in registry.discarded:
            discarded = registry.why_discarded(key, owners.owner_of(self.hooks.websocket_handler))
            if discarded is not None:
                self.notices.show_at_once(self.notices.messages.stream(discarded, {}))

    def _open_session(self) -> dict[str, Any] | None:
        """Resumes the session or opens a new one. Returns what other code has buffered for it in the kernel manager."""
        hooks, registry = self.hooks, self.registry
        session = registry.get(hooks.session_key)
        buffered = lending.take_back(hooks.multi_kernel_manager, hooks.kernel_id, hooks.session_key)
        if session is not None and not session.closed:
            self.log.info("Restoring connection for %s", session.name)
            session.resumed_by(hooks.session)
            hooks.channels = session.channels
            buffered = None
        else:
            if buffered is not None and not hooks.multi_kernel_manager.ports_changed(hooks.kernel_id):
                hooks.channels = buffered["channels"]
            else:
                lending.close_channels((buffered or {}).get("channels", {}))
                hooks.create_stream()
            session = self._new_session()
        self.session = session
        self.faults.last_fault = session.faults.last_fault
        return buffered

    def _new_session(self) -> ClientSession:
        hooks = self.hooks
        if not self.writer.may_hide:
            journals.open_for(hooks.multi_kernel_manager, self.kernel)
        key = hooks.session_key or f"{hooks.kernel_id}:{hooks.session.session}"
        named = hooks.websocket_handler.get_argument("session_id", None) is not None
        identity = Identity(key, hooks.kernel_id, owners.owner_of(hooks.websocket_handler), named)
        session = self.registry.open(
            identity, hooks.session, self.kernel, protocol=self.writer.protocol, log=self.log, limits=self.limits
        )
        session.stats.kernel_session = self.heard_session
        return session

    def subscribe(self) -> None:
        """Starts to send the messages of all channels to the client."""
        session, hooks = self.session, self.hooks
        if session is None:
            return
        if session.channels is not hooks.channels or not all(getattr(one, "batched", True) for one in session.channels.values()):
            session.adopt(hooks.channels)  # they are new, or other code has set callbacks on them meanwhile
        for channel in hooks.channels.values():
            if not hasattr(channel, "on_batch"):  # other code has put its own stream into ``channels``
                channel.on_recv_stream(hooks.handle_outgoing_message)
        session.follow(self.limits, per_message=self.writer.per_message)
        unverified = not hooks.verify_signatures and self.writer.protocol == "legacy"
        session.legacy_verifier = hooks.new_receiver() if unverified else None
        self.writer.start(session, self, self.limiter)

    def _follow(self) -> None:
        """Applies the new limits after a trait has changed."""
        self.limits = Limits.of(self.hooks)
        if self.session is not None:
            self.session.follow(self.limits, per_message=self.writer.per_message)

    def _replay(self, buffered: list[tuple[str, list[Any]]]) -> None:
        """Appends messages that other code has buffered to the session, in order."""
        if self.session is None or not buffered:
            return
        self.log.info("Replaying %s buffered messages", len(buffered))
        receiver = self.hooks.new_receiver(verify=self.hooks.verify_signatures)
        for channel, messages in itertools.groupby(buffered, key=itemgetter(0)):
            self.session.append_private(receiver.split(channel, [frames for _, frames in messages]))

    def _repeat_status(self) -> None:
        """Sends the kernel's last status again: a busy kernel would not send another one before its cell ends.

        The message is unchanged: clients read ``parent_header["msg_id"]``, and a client that has received it before recognises
        its ``msg_id``. It follows all replayed messages, because an ``idle`` before a cell's missed output would end that cell
        for JupyterLab. Does nothing if the current process has sent no status yet.
        """
        kernel, session = self.kernel, self.session
        if kernel.last_status is None or session is None or kernel.restarted:
            return
        verify = self.hooks.verify_signatures or session.protocol == "legacy"
        batch = self.hooks.new_receiver(verify=verify).split("iopub", [kernel.last_status])
        if batch.kernel_session == kernel.kernel_session:
            adapt.describe(batch, self.hooks.session)
            session.append_shared(batch)

    # readiness

    def nudge(self) -> "asyncio.Future[None]":
        """Returns a future that completes when the kernel has answered and is proven. It is done if no nudge is needed.

        The future raises TimeoutError after ``kernel_info_timeout`` seconds. Raises any error of the manager's ``connect_*()``.
        """
        hooks = self.hooks
        if self.kernel.proven or not needs_nudge(self.kernel, hooks.kernel_manager):
            return _done()
        nudge = Nudge(self.kernel, hooks.kernel_manager, hooks.new_receiver, self.faults, hooks.kernel_info_timeout)
        self._nudges.add(nudge)

        def ended(_: "asyncio.Future[None]") -> None:
            self._nudges.discard(nudge)
            nudge.cleanup()  # ``run`` does this too, but a task that is cancelled before its first step never runs

        task = asyncio.ensure_future(nudge.run())
        task.add_done_callback(ended)
        return task

    async def _wait_for_nudge(self, nudged: "asyncio.Future[None]") -> None:
        try:
            await nudged
        except TimeoutError as error:
            if not self.ended:
                self.log.warning("kernel %s: %s", self.hooks.kernel_id, error)
                self.faults.last_fault.note("kernel_silent")
                self.close(INTERNAL_ERROR, "The kernel did not answer within kernel_info_timeout")
            return
        if self.hooks.kernel_id not in self.hooks.multi_kernel_manager and not self.ended:
            self.close(INTERNAL_ERROR, NO_KERNEL.format(self.hooks.kernel_id))
        self._ready()

    def _ready(self) -> None:
        """The kernel is ready: sends it the shell messages that the client has sent meanwhile."""
        if self.machine.on(LinkEvent.READY):
            TOTALS.connect.observe(time.monotonic() - self.began)
            if not self.inbound.pending.empty:
                self.inbound.pending.send_all()

    # called by the session: see ``session.client.Client``

    @property
    def round_trip(self) -> float | None:
        return None if self.writer.heartbeat is None else self.writer.heartbeat.round_trip

    @property
    def silent(self) -> bool:
        return self.writer.heartbeat is not None and self.writer.heartbeat.given_up

    def moved(self, session: Session) -> None:
        self.hooks.session.key, self.hooks.session.signature_scheme = session.key, session.signature_scheme

    def end(self, code: int, reason: str) -> None:
        if self.session is not None:
            self.session.identity.named = False  # ``leave`` must not keep the session
        self.close(code, reason)

    # called by the WebSocket: see ``client.websocket.Owner``

    def client_closes(self, *, page_closed: bool) -> None:
        self.page_closed = page_closed
        self.received_all = self.writer.all_flushed()

    def too_big(self, reason: str) -> None:
        self.faults.add("client", "too_big", reason, what="")

    # disconnecting

    def close(self, code: int, reason: str) -> None:
        """Closes the WebSocket and ends the link. A close frame has room for 123 bytes of reason; the rest is cut off."""
        self.hooks.websocket_handler.close(code, reason.encode()[:123].decode(errors="ignore"))
        self.hooks.disconnect()

    def cannot_open(self, error: Exception) -> None:
        """Ends the link because its channels cannot be opened. Logs an error unless the kernel was shut down."""
        if self.hooks.kernel_id in self.hooks.multi_kernel_manager:
            self.log.error("Error opening stream: %s", error)
        self.close(INTERNAL_ERROR, f"The kernel's channels cannot be opened: {error}")

    def _watch(self) -> None:
        """Asks the kernel manager to report automatic restarts and death."""
        manager, kernel_id = self.hooks.multi_kernel_manager, self.hooks.kernel_id
        manager.add_restart_callback(kernel_id, self.hooks.on_kernel_restarted)
        manager.add_restart_callback(kernel_id, self.hooks.on_restart_failed, "dead")

    def _unwatch(self) -> None:
        manager, kernel_id = self.hooks.multi_kernel_manager, self.hooks.kernel_id
        if kernel_id in manager:
            manager.remove_restart_callback(kernel_id, self.hooks.on_kernel_restarted)
            manager.remove_restart_callback(kernel_id, self.hooks.on_restart_failed, "dead")

    def leave(self, *, counted: bool) -> None:
        """Detaches the link from its session, and keeps or ends the session. ``counted``: the kernel manager counted this link.

        The session is kept if the link was counted, the client chose the session id, the kernel still exists and
        ``buffer_offline_messages`` is on.
        """
        self.machine.on(LinkEvent.END)
        for nudge in tuple(self._nudges):
            nudge.finish()
        self._unwatch()
        self.inbound.pending.clear()
        session, self.session = self.session, None
        self.writer.stop()
        hooks, manager = self.hooks, self.hooks.multi_kernel_manager
        channels, hooks.channels = hooks.channels, {}
        if session is None:
            lending.close_channels(channels)
            return
        if session.client is self:
            session.detach(heard=self.received_all)
        if session.client is not None or session.closed:  # a newer WebSocket has taken over the session
            return
        self.kernel_session = session.stats.kernel_session or self.kernel_session
        session.stats.page_closed = self.page_closed
        alive = hooks.kernel_id in manager
        if counted and alive and session.identity.named and manager.buffer_offline_messages:
            self.registry.keep(session)
            lending.lend(manager, session.identity, channels)
        else:
            self.registry.end(session)


def _done() -> "asyncio.Future[None]":
    """A completed future."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
