"""``Writer``: takes messages from a session's outbox and writes them to its client.

It uses one of three write paths, with the same messages in the same order:

- ``IOStream.write`` writes many frames at once. Rust made them once for all clients of the kernel. Large buffers are written
  separately and never copied.
- ``write_message`` is called for each message if the WebSocket compresses, or if ``write_message`` is overridden. Voila's
  override hides source code, so it must not be bypassed.
- ``handle_outgoing_message`` is called for each message if a subclass overrides one of ``HOOKS``.

The next write begins when the last one is done, and the outbox limits how much may be unacknowledged.
Must not store messages: what is not written stays in the outbox. Cost: one take and one write for all messages that are due.
"""

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketClosedError

from .. import _core
from ..errors import MalformedMessage, OutboxFailed
from ..kernel import journals
from ..messages import notices
from ..record.counters import TOTALS
from ..record.log_lines import shown_key
from ..sockets.channel import run_callback
from . import per_message
from .heartbeat import Heartbeat
from .websocket import overrides_messages, writes_frames

if TYPE_CHECKING:
    from ..session.client import Client
    from ..session.limiter import DropLimiter
    from ..session.session import ClientSession, Subprotocol
    from .hooks import Hooks

HOOKS = (
    "handle_outgoing_message",
    "_on_zmq_reply",
    "_reserialize_reply",
    "_limit_rate",
    "_on_error",
    "get_part",
)
"""If a subclass or the instance overrides one of these methods, every message passes through all of them."""
WRITE_BYTES = 1 << 20
"""Maximum bytes of one write: about as much as one turn of the feed reads. One message is always allowed."""
MAX_WRITES = 64
"""Maximum writes in a row before the event loop runs other callbacks."""
JOIN_BYTES = 16 << 10
"""A ping is appended to a buffer of up to this size in bytes: the copy costs less than a second system call."""
FIRST_PING = 0
"""The number of the ping before all messages; the outbox's numbers begin with 1."""
FLUSH_POLL = 0.1
"""Seconds between two checks whether everything that was written has left this process."""


class Writer:
    """Writes to one client, from ``start`` to ``stop``."""

    def __init__(self, hooks: "Hooks", base: type) -> None:
        """``base`` is kernelws's own class: a hook counts as overridden if it is not the method of this class."""
        self._hooks = hooks
        self._base = base
        self.heartbeat: Heartbeat | None = None
        self._session: ClientSession | None = None
        self._loop: IOLoop
        self._writing: asyncio.Future[Any] | None = None
        self._timer: Any = None
        self._timer_at = 0.0
        self._waking = False
        self.per_message = False
        """Whether every message goes through ``handle_outgoing_message``, because a hook is overridden."""
        self._direct = False
        """Whether frames are written with ``IOStream.write``."""
        self.may_hide = False
        """Whether overridden methods may hide or change messages. Then the kernel must not have a journal."""

    @property
    def protocol(self) -> "Subprotocol":
        return "v1" if self._hooks.subprotocol == _core.V1 else "legacy"

    def choose_write_path(self) -> None:
        """Called when the WebSocket has opened, and again if other code has since patched a method on the instance."""
        self.per_message = hook_overridden(self._hooks, self._base)
        self._direct = not self.per_message and writes_frames(self._hooks, self._base)
        self.may_hide = self.per_message or overrides_messages(self._hooks, self._base)

    def start(self, session: "ClientSession", client: "Client", limiter: "DropLimiter") -> None:
        """Starts to write this session's messages to ``client``."""
        if self._hooks.websocket_handler.ws_connection is not None:
            self.heartbeat = Heartbeat(self._hooks.websocket_handler, self._acknowledge)
        self._session, self._loop = session, IOLoop.current()
        session.attach(client, self.protocol, limiter)
        if self.heartbeat is not None:
            self.heartbeat.ping(FIRST_PING)
        self.wake()

    def stop(self) -> None:
        """Stops writing. The session keeps what the client has not acknowledged."""
        self._session = None
        self._cancel_timer()
        if self.heartbeat is not None:
            self.heartbeat.end()

    # from the outbox to the WebSocket

    def wake(self) -> None:
        """Writes all messages that are due, and schedules the next call for the others."""
        session = self._session
        if session is None or self._waking:
            return
        if self._writing is not None:  # that write calls ``wake`` when it is done
            session.outbox.cut_text()
            return
        self._waking = True
        try:
            self._write_all(session)
        except (WebSocketClosedError, StreamClosedError):
            self._hooks.log.debug("the client of %s is gone", shown_key(self._hooks.session_key))
        except OutboxFailed as error:
            session.outbox_failed(error)
        finally:
            self._waking = False

    def _write_all(self, session: "ClientSession") -> None:
        if (self._direct or not self.may_hide) and self._patched():
            self.choose_write_path()
            session.follow(session.limits, per_message=self.per_message)
            journals.hide(self._hooks.multi_kernel_manager, session.kernel)
        if self._direct:
            session.own.clear()  # only the other write paths distinguish the server's messages from the kernel's
        now, wake_at = time.time(), None
        for _ in range(MAX_WRITES):
            taken = self._take(session, now)
            if taken is None:
                wake_at = session.outbox.wake_at
                break
            if isinstance(taken, _core.Gap):
                self._fill(session, taken)
            elif isinstance(taken, int):  # the number of a block that is on disk
                session.spill.fetch(taken)
                break
            elif not self._write(session, taken, now):
                session.outbox.cut_text()
                break
            now = time.time()
        else:
            self._loop.add_callback(self.wake)
        ask_at = self._ask_for_acknowledgement(session, now)
        self._call_at(wake_at if ask_at is None else ask_at if wake_at is None else min(wake_at, ask_at))

    def _fill(self, session: "ClientSession", gap: _core.Gap) -> None:
        payload = session.server_messages.gap(gap, getattr(session.limits, notices.trait_of(gap.reason)))
        key = shown_key(self._hooks.session_key)
        self._hooks.log.warning("%s: left out %d messages, %d bytes (%s)", key, gap.messages, gap.bytes, gap.reason)
        session.faults.last_fault.note(gap.reason)
        session.own.add(payload)
        session.outbox.fill_gap(gap.id, payload)

    def _patched(self) -> bool:
        """Whether other code has patched a hook or ``write_message`` on the instance since the write path was chosen."""
        patched = not vars(self._hooks).keys().isdisjoint(HOOKS)
        return patched or "write_message" in vars(self._hooks.websocket_handler)

    def _take(self, session: "ClientSession", now: float) -> Any:
        if self._direct:
            return session.outbox.take(now, WRITE_BYTES)
        return session.outbox.take_messages(now, WRITE_BYTES)

    def _write(self, session: "ClientSession", taken: Any, now: float) -> bool:
        """Writes. Returns False if the socket has not taken everything yet; then ``wake`` is called when it has."""
        future = self._write_frames(self._with_ping(session, taken, now)) if self._direct else self._write_each(session, taken)
        if future is None or future.done():
            return True
        TOTALS.socket_stalls += 1
        self._writing = future
        future.add_done_callback(self._written)
        return False

    def _with_ping(self, session: "ClientSession", buffers: list[bytes | memoryview], now: float) -> list[bytes | memoryview]:
        """Adds a ping at the end of ``buffers`` if one is due after them."""
        heartbeat = self.heartbeat
        sequence = None if heartbeat is None or self._is_silent(session, heartbeat, now) else session.outbox.ping_due(now)
        if heartbeat is None or sequence is None:
            return buffers
        ping = heartbeat.frame(sequence)
        if len(buffers[-1]) > JOIN_BYTES:
            return [*buffers, ping]
        return [*buffers[:-1], b"".join((buffers[-1], ping))]

    def _write_frames(self, buffers: list[bytes | memoryview]) -> "asyncio.Future[Any] | None":
        """Writes all buffers. Returns the future of the last one, None if the operating system took everything at once."""
        websocket: Any = self._hooks.websocket_handler.ws_connection
        if websocket is None or websocket.is_closing():
            raise WebSocketClosedError
        stream, written = websocket.stream, None
        websocket._wire_bytes_out += sum(map(len, buffers))
        for buffer in buffers:
            rest = buffer if written is not None else _write_at_once(stream, buffer)
            if len(rest):
                written = stream.write(rest)
        return written

    def _write_each(self, session: "ClientSession", payloads: list[str | bytes]) -> "asyncio.Future[Any] | None":
        """Writes messages one by one. Returns the last future of ``write_message``, None if it returned something else."""
        result: Any = None
        for payload in payloads:
            if self.per_message and payload not in session.own:
                self._hand_to_hooks(payload)
            else:
                result = self._write_one(payload)
        session.own.difference_update(payloads)
        return result if inspect.isawaitable(result) and isinstance(result, asyncio.Future) else None

    def _write_one(self, payload: str | bytes) -> Any:
        try:
            return self._hooks.write_message(payload, binary=isinstance(payload, bytes))
        except (WebSocketClosedError, StreamClosedError):
            raise
        except Exception:  # raised by an override
            self._hooks.log.exception("write_message failed for a message; writing continues with the next one")
            return None

    def _hand_to_hooks(self, payload: str | bytes) -> None:
        hooks = self._hooks
        try:
            channel, frames = per_message.frames_of(hooks, payload)
        except MalformedMessage as fault:  # valid JSON, but not a shape that hooks accept, such as a header that is a list
            hooks.faults.add("outgoing", fault.kind, fault.sentence)
            return
        try:
            run_callback(hooks.handle_outgoing_message, hooks.channels.get(channel, channel), frames)
        except (WebSocketClosedError, StreamClosedError):
            raise
        except Exception:
            hooks.log.exception("a hook failed for a message on %s; writing continues with the next one", channel)

    def _written(self, future: "asyncio.Future[Any]") -> None:
        self._writing = None
        if not future.cancelled() and future.exception() is None:
            self.wake()

    # acknowledgements and timers

    def _acknowledge(self, sequence: int) -> None:
        if self._session is None:
            return
        try:
            self._session.outbox.acknowledge(sequence)
        except OutboxFailed as error:
            self._session.outbox_failed(error)
        self.wake()

    def _is_silent(self, session: "ClientSession", heartbeat: Heartbeat, now: float) -> bool:
        """Whether ``ack_timeout`` has passed without any pong from this client."""
        return not heartbeat.answered and heartbeat.silent_for(now) >= session.limits.ack_timeout > 0

    def all_flushed(self) -> bool:
        """Whether everything that was written has left this process. True if the stream is not tornado's ``IOStream``."""
        stream = getattr(self._hooks.websocket_handler.ws_connection, "stream", None)
        return self._writing is None and not (isinstance(stream, IOStream) and stream.writing())

    def _ask_for_acknowledgement(self, session: "ClientSession", now: float) -> float | None:
        """Sends a ping if one is due. Returns when to call this again, or None."""
        heartbeat = self.heartbeat
        if heartbeat is None or self._is_silent(session, heartbeat, now):
            return self._do_without_acknowledgement(session)
        sequence = session.outbox.ping_due(now)
        if sequence is not None:
            heartbeat.ping(sequence)
        ping_at = session.outbox.ping_at
        if heartbeat.answered:
            return ping_at
        pong_at = self._first_pong_at(session, heartbeat, now)
        return pong_at if ping_at is None else min(ping_at, pong_at or ping_at)

    def _do_without_acknowledgement(self, session: "ClientSession") -> float | None:
        """For a client that answers no pings: what has left this process counts as acknowledged."""
        if self.heartbeat is not None:
            self.heartbeat.give_up()
        if not session.outbox.unacknowledged():
            return None
        if self.all_flushed():
            session.outbox.acknowledge_all()
            self._loop.add_callback(self.wake)
        elif self._writing is None:  # otherwise that write calls ``wake`` when it is done
            return time.time() + FLUSH_POLL
        return None

    def _first_pong_at(self, session: "ClientSession", heartbeat: Heartbeat, now: float) -> float | None:
        """When to look whether the client has answered its first ping."""
        if self.all_flushed():
            heartbeat.flushed(now)
        if session.limits.ack_timeout <= 0:
            return None
        flushed_at = heartbeat.first_flushed_at
        return now + FLUSH_POLL if flushed_at is None else flushed_at + session.limits.ack_timeout

    def _call_at(self, when: float | None) -> None:
        """Calls ``wake`` at ``when`` or earlier; None: not at all. Keeps a timer that is earlier, because an early call of
        ``wake`` costs less than a new timer."""
        if when is None:
            self._cancel_timer()
        elif self._timer is None or when < self._timer_at:
            self._cancel_timer()
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._wake_on_time)

    def _wake_on_time(self) -> None:
        self._timer = None
        self.wake()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._loop.remove_timeout(self._timer)
            self._timer = None


def _write_at_once(stream: Any, buffer: bytes | memoryview) -> bytes | memoryview:
    """Writes what the system takes now, and returns the rest.

    ``IOStream.write`` does the same, with a future, its callback and one more turn of the event loop for each call. A write that
    fails here fails there again, and tornado closes the stream.
    """
    if not isinstance(stream, IOStream) or stream.writing() or stream.closed():
        return buffer
    view = memoryview(buffer)
    try:
        return view[stream.write_to_fd(view) :]
    except OSError:  # the socket's buffer is full, or the connection is gone
        return buffer


def hook_overridden(hooks: "Hooks", base: type) -> bool:
    """Whether a subclass or the instance overrides one of ``HOOKS``. ``base`` is kernelws's own class."""
    own, cls = vars(hooks), type(hooks)
    return any(name in own or getattr(cls, name) is not getattr(base, name) for name in HOOKS)
