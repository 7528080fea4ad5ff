"""Takes messages from a session's outbox and writes them to its client, as fast as that client and the limits allow.

Messages leave in one of three ways, same messages, same order:

- ``IOStream.write``: one write for many of the frames that Rust made, shared by all clients of the kernel, and one for
  each large buffer, which is never copied;
- ``write_message``: one call a message, where the WebSocket compresses, or somebody has overridden ``write_message`` (Voila
  hides source there: writing past it would show it);
- ``handle_outgoing_message``: one call a message, where a subclass overrides one of the hooks of the class.

Nothing more is written until the write before is done, and no more than the outbox lets leave unacknowledged.
Must not keep messages: what is not written stays in the outbox. Cost: one take and one write for what waits.
"""

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

from .. import _core
from ..errors import MalformedMessage, OutboxFailed
from ..messages import notices
from ..record.counters import TOTALS
from ..record.log_lines import shown_key
from ..session.limiter import DropLimiter
from ..session.session import ClientSession, Protocol
from ..sockets.channel import run_callback
from . import hooks as single
from .heartbeat import Heartbeat

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

HOOKS = (
    "handle_outgoing_message",
    "_on_zmq_reply",
    "_reserialize_reply",
    "_limit_rate",
    "_on_error",
    "get_part",
)
"""The methods that see every message where a subclass, or somebody on the instance, overrides one of them."""

WRITE_BYTES = 1 << 20
"""Bytes of one write at most, and at least one message: as much as one drain brings."""
MAX_WRITES = 64
"""Writes in a row before the event loop gets its turn."""
JOIN_BYTES = 16 << 10
"""Up to here a ping is copied together with what it follows: two system calls cost more."""
FIRST_PING = 0
"""The number of the ping before all messages; the outbox's own begin with 1."""
LOOK_AGAIN = 0.1
"""Seconds between looks whether a ping has left this process, while what is before it has not."""


class Writer:
    """The way to one client, from ``start`` to ``stop``."""

    def __init__(self, connection: "ZMQChannelsWebsocketConnection", base: type) -> None:
        """``base`` is kernelws's class: a hook that differs from its is overridden."""
        self._connection = connection
        self._base = base
        self.overload = DropLimiter(connection)
        self.heartbeat: Heartbeat | None = None
        self._mailbox: ClientSession | None = None
        self._writing: asyncio.Future[Any] | None = None
        self._timer: Any = None
        self._timer_at = 0.0
        self._pumping = False
        self.per_message = False
        """Whether every message passes a hook that somebody has overridden."""
        self._direct = False

    @property
    def protocol(self) -> Protocol:
        return "v1" if self._connection.subprotocol == _core.V1 else "legacy"

    def choose_write_path(self) -> None:
        """Chooses the way of this connection's messages; called when its WebSocket is open."""
        self.per_message = self._hook_overridden()
        self._direct = not self.per_message and not self._write_overridden() and self._plain_websocket()

    def start(self, mailbox: ClientSession) -> None:
        """Delivers from this mailbox from now on."""
        if self._connection.websocket_handler.ws_connection is not None:
            self.heartbeat = Heartbeat(self._connection.websocket_handler, self._acknowledge)
        self._mailbox = mailbox
        mailbox.attach(self, self.protocol)
        if self.heartbeat is not None:
            self.heartbeat.ping(FIRST_PING)
        self.pump()

    def stop(self, *, heard: bool = False) -> ClientSession | None:
        """Delivers nothing more; the mailbox keeps what was not acknowledged. ``heard``: see ``Outbox.detach``."""
        mailbox, self._mailbox = self._mailbox, None
        self._cancel_timer()
        if self.heartbeat is not None:
            self.heartbeat.end()
        if mailbox is not None and mailbox.delivery is self:
            mailbox.detach(heard=heard)
        return mailbox

    # from the outbox to the WebSocket

    def accept(self, batch: _core.Batch) -> None:
        """Takes a batch that has just come: all of it, or what upstream's limiter lets pass where that is asked for."""
        mailbox = self._mailbox
        if mailbox is None:
            return
        if self.overload.drops and batch.channel == "iopub" and not self.per_message:
            TOTALS.dropped += len(batch)
            for start, stop, events in self.overload.admit(batch):
                TOTALS.dropped -= stop - start
                mailbox.append(batch, start, stop)
                self.overload.tell(events, batch, stop)
        else:
            mailbox.append(batch, 0, len(batch))
        if self._writing is not None:  # nothing can leave before that write has ended
            mailbox.outbox.cut_text()
        self.pump()

    def pump(self) -> None:
        """Writes what may leave now, and sees to being called again for the rest."""
        mailbox = self._mailbox
        if self._pumping or self._writing is not None or mailbox is None:
            return
        self._pumping = True
        try:
            self._pump(mailbox)
        except (WebSocketClosedError, StreamClosedError):
            self._connection.log.debug("the client of %s is gone", shown_key(self._connection.session_key))
        except OutboxFailed as error:
            mailbox.fail(error)
        finally:
            self._pumping = False

    def _pump(self, mailbox: ClientSession) -> None:
        loop = IOLoop.current()
        if self._way_closed():
            self.choose_write_path()
            mailbox.way_changed()
        if self._direct:
            mailbox.own.clear()  # only hooks ask whose a message is
        for _ in range(MAX_WRITES):
            now = loop.time()
            taken = self._take(mailbox, now)
            if taken is None:
                self._call_at(mailbox.outbox.wake_at)
                break
            if isinstance(taken, _core.Gap):
                self._fill(mailbox, taken)
            elif isinstance(taken, int):  # the number of a block that is on disk
                mailbox.overflow.fetch(taken)
                break
            elif not self._write(mailbox, taken, now):
                mailbox.outbox.cut_text()
                break
        else:
            loop.add_callback(self.pump)
        self._ask_for_acknowledgement(mailbox, loop.time())

    def _fill(self, mailbox: ClientSession, gap: _core.Gap) -> None:
        payload = mailbox.voice.gap(gap, getattr(self._connection, notices.trait_of(gap.reason)))
        key = shown_key(self._connection.session_key)
        self._connection.log.warning("%s: left out %d messages, %d bytes (%s)", key, gap.messages, gap.bytes, gap.reason)
        mailbox.complaints.trouble.note(gap.reason)
        mailbox.own.add(payload)
        mailbox.outbox.fill_gap(gap.id, payload)

    def _way_closed(self) -> bool:
        """Whether somebody has patched a hook or ``write_message`` on a live instance since the way was chosen."""
        patched = not vars(self._connection).keys().isdisjoint(HOOKS)
        return self._direct and (patched or "write_message" in vars(self._connection.websocket_handler))

    def _take(self, mailbox: ClientSession, now: float) -> Any:
        if self._direct:
            return mailbox.outbox.take(now, WRITE_BYTES)
        return mailbox.outbox.take_messages(now, WRITE_BYTES)

    def _write(self, mailbox: ClientSession, taken: Any, now: float) -> bool:
        """Writes; False if the write goes on, and then its end calls ``pump`` again."""
        future = self._write_frames(self._with_ping(mailbox, taken, now)) if self._direct else self._write_each(taken)
        if future is None or future.done():
            return True
        TOTALS.socket_stalls += 1
        self._writing = future
        future.add_done_callback(self._written)
        return False

    def _with_ping(self, mailbox: ClientSession, buffers: list[bytes | memoryview], now: float) -> list[bytes | memoryview]:
        """What is written, and behind it the ping that is due then."""
        heartbeat = self.heartbeat
        sequence = None if heartbeat is None or self._is_silent(heartbeat, now) else mailbox.outbox.ping_due(now)
        if heartbeat is None or sequence is None:
            return buffers
        ping = heartbeat.frame(sequence)
        if len(buffers[-1]) > JOIN_BYTES:
            return [*buffers, ping]
        return [*buffers[:-1], b"".join((buffers[-1], ping))]

    def _write_frames(self, buffers: list[bytes | memoryview]) -> "asyncio.Future[Any] | None":
        """The future of the last buffer, with which all of them are written."""
        websocket: Any = self._connection.websocket_handler.ws_connection
        if websocket is None or websocket.is_closing():
            raise WebSocketClosedError
        written: asyncio.Future[Any] | None = None
        for buffer in buffers:
            written = websocket.stream.write(buffer)
        websocket._wire_bytes_out += sum(map(len, buffers))
        return written

    def _write_each(self, payloads: list[str | bytes]) -> "asyncio.Future[Any] | None":
        """The future of the last write; none where ``write_message`` returns something else, as a mock does."""
        result: Any = None
        own = self._mailbox.own if self._mailbox is not None else set()
        for payload in payloads:
            if self.per_message and payload not in own:
                self._hand_to_hooks(payload)
            else:
                result = self._write_one(payload)
        own.difference_update(payloads)
        return result if inspect.isawaitable(result) and isinstance(result, asyncio.Future) else None

    def _write_one(self, payload: str | bytes) -> Any:
        try:
            return self._connection.write_message(payload, binary=isinstance(payload, bytes))
        except (WebSocketClosedError, StreamClosedError):
            raise
        except Exception:  # of a handler that somebody has written
            self._connection.log.exception("write_message failed for a message; the next one goes on")
            return None

    def _hand_to_hooks(self, payload: str | bytes) -> None:
        connection = self._connection
        try:
            channel, frames = single.frames_of(connection, payload)
        except MalformedMessage as fault:  # JSON that a kernel may send, but of a shape that no hook can be given
            connection.complaints.add("outgoing", fault.kind, fault.sentence)
            return
        try:
            run_callback(connection.handle_outgoing_message, connection.channels.get(channel, channel), frames)
        except (WebSocketClosedError, StreamClosedError):
            raise
        except Exception:
            connection.log.exception("a hook failed for a message on %s; the next one goes on", channel)

    def _written(self, future: "asyncio.Future[Any]") -> None:
        self._writing = None
        if not future.cancelled() and future.exception() is None:
            self.pump()

    # acknowledgements and timers

    def _acknowledge(self, sequence: int) -> None:
        if self._mailbox is None:
            return
        try:
            self._mailbox.outbox.acknowledge(sequence)
        except OutboxFailed as error:
            self._mailbox.fail(error)
        self.pump()

    def _is_silent(self, heartbeat: Heartbeat, now: float) -> bool:
        """Whether this client is known to answer no pings."""
        return heartbeat.silent_for(now) >= self._connection.ack_timeout > 0

    def has_left(self) -> bool:
        """Whether everything that was written has left this process, as far as that can be known."""
        stream = getattr(self._connection.websocket_handler.ws_connection, "stream", None)
        return self._writing is None and not (isinstance(stream, IOStream) and stream.writing())

    def _ask_for_acknowledgement(self, mailbox: ClientSession, now: float) -> None:
        heartbeat = self.heartbeat
        if heartbeat is None or self._is_silent(heartbeat, now):
            self._do_without_acknowledgement(mailbox)
            return
        sequence = mailbox.outbox.ping_due(now)
        if sequence is not None:
            heartbeat.ping(sequence)
        self._call_at(mailbox.outbox.ping_at)
        if not heartbeat.answered:
            self._await_first_pong(heartbeat, now)

    def _do_without_acknowledgement(self, mailbox: ClientSession) -> None:
        """Served by the socket's backpressure alone: what has left this process must do for arrived."""
        if self.heartbeat is not None:
            self.heartbeat.give_up()
        if not mailbox.outbox.unacknowledged():
            return
        if self.has_left():
            mailbox.outbox.acknowledge_all()
            IOLoop.current().add_callback(self.pump)
        elif self._writing is None:  # else its end pumps
            self._call_at(IOLoop.current().time() + LOOK_AGAIN)

    def _await_first_pong(self, heartbeat: Heartbeat, now: float) -> None:
        if self.has_left():
            heartbeat.left(now)
        waits_from, ack_timeout = heartbeat.first_left, self._connection.ack_timeout
        if ack_timeout > 0:
            self._call_at(now + LOOK_AGAIN if waits_from is None else waits_from + ack_timeout)

    def _call_at(self, when: float | None) -> None:
        """Pumps at ``when`` at the latest. An earlier timer stays: to set one costs more than to pump in vain."""
        if when is not None and (self._timer is None or when < self._timer_at):
            self._cancel_timer()
            self._timer_at = when
            self._timer = IOLoop.current().call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.pump()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            IOLoop.current().remove_timeout(self._timer)
            self._timer = None

    # which way

    def _hook_overridden(self) -> bool:
        own, cls = vars(self._connection), type(self._connection)
        return any(name in own or getattr(cls, name) is not getattr(self._base, name) for name in HOOKS)

    def _write_overridden(self) -> bool:
        connection, handler = self._connection, self._connection.websocket_handler
        return (
            type(connection).write_message is not self._base.write_message  # type: ignore[attr-defined]
            or "write_message" in vars(handler)
            or getattr(type(handler), "write_message", None) is not WebSocketHandler.write_message
        )

    def _plain_websocket(self) -> bool:
        websocket = getattr(self._connection.websocket_handler, "ws_connection", None)
        return type(websocket) is WebSocketProtocol13 and websocket._compressor is None and "write_message" not in vars(websocket)
