"""Watches one libzmq socket on the event loop, and calls ``turn`` until the socket is empty.

libzmq's descriptor is edge-triggered: it reports a change once, and any call on the socket may swallow that report. So the
poller reads ``ZMQ_EVENTS`` after every send, and after every turn that may have left messages, and schedules another turn if
there is something to do.
If a turn raises, the poller logs it and continues: one bad message must not end a client's output.
Must not read messages itself: ``turn`` does. Cost: one ``getsockopt`` a send, and none to three a turn.
"""

import logging
from collections.abc import Callable
from typing import Any

import zmq
import zmq.asyncio
from tornado.ioloop import IOLoop
from zmq.eventloop.zmqstream import ZMQStream

READABLE, WRITABLE = int(zmq.POLLIN), int(zmq.POLLOUT)
"""Bits of ``ZMQ_EVENTS``, as ints: comparing pyzmq's flags takes longer than reading the events."""


class BareSocket(zmq.Socket[bytes]):
    """The synchronous socket under an asyncio socket. It holds a reference to the asyncio socket, because both sockets are
    closed when the asyncio socket is garbage-collected."""

    def close(self, linger: int | None = None) -> None:
        """Closes both sockets. Reading ``closed`` makes the asyncio socket notice at once; otherwise its destructor might close
        a new socket that libzmq has allocated at the same address."""
        super().close(linger)
        if isinstance(self._shadow_obj, zmq.Socket):
            _ = self._shadow_obj.closed


def take_socket(source: Any) -> zmq.Socket[bytes]:
    """The synchronous socket of what ``kernel_manager.connect_*()`` returned: a socket, an asyncio socket or a ``ZMQStream``.

    Removes a ``ZMQStream`` from the event loop and leaves it without a socket, since its ``close`` would close the socket too.
    """
    if not isinstance(source, ZMQStream):
        return BareSocket.shadow(source) if isinstance(source, zmq.asyncio.Socket) else source
    socket: zmq.Socket[bytes] = source.socket
    source.io_loop.remove_handler(socket)
    source.socket = None  # type: ignore[assignment] # what close() leaves there too
    return socket


class SocketPoller:
    """One socket on the event loop.

    ``turn()`` handles some messages and returns True if messages may be left. ``writable()`` is called when the socket can
    send and ``wants_to_send()`` is True.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        turn: Callable[[], bool],
        *,
        writable: Callable[[], None] = lambda: None,
        wants_to_send: Callable[[], bool] = lambda: False,
        log: logging.Logger,
    ) -> None:
        self.socket = socket
        self.loop = IOLoop.current()
        self.paused = True
        """While True, ``turn`` is not called and messages stay in libzmq's queue."""
        self._turn = turn
        self._writable = writable
        self._wants_to_send = wants_to_send
        self._log = log
        self._scheduled = False
        self._rest: object = None
        self.loop.add_handler(socket, self._on_event, IOLoop.READ)

    def closed(self) -> bool:
        return bool(self.socket.closed)

    def close(self, linger: int | None = None) -> None:
        """Removes the socket from the event loop and closes it; a second call does nothing."""
        if self.socket.closed:
            return
        self.loop.remove_handler(self.socket)
        self.socket.close(linger)

    def rest(self, seconds: float) -> None:
        """Calls no ``turn`` for ``seconds``, so that the next one finds more than one message."""
        if self._rest is None:
            self._rest = self.loop.call_later(seconds, self._end_rest)

    def _end_rest(self) -> None:
        self._rest = None
        self.rearm()

    def resume(self) -> None:
        self.paused = False
        self.rearm()

    def rearm(self) -> None:
        """Reads ``ZMQ_EVENTS`` and schedules a turn if there is something to do. Must be called after each send."""
        events = self._events()
        if (events & READABLE and self._receives()) or (events & WRITABLE and self._wants_to_send()):
            self._schedule()

    def _receives(self) -> bool:
        return not self.paused and self._rest is None

    def readable(self) -> bool:
        """Whether messages wait in the socket."""
        return bool(self._events() & READABLE)

    def _events(self) -> int:
        if self.socket.closed:
            return 0
        try:
            return int(self.socket.get(zmq.EVENTS))
        except zmq.ZMQError as error:  # the context was terminated, or the socket closed by its owner
            self._log.debug("socket is gone: %s", error)
            return 0

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_later(0, self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._scheduled = False
        self._on_event()

    def _on_event(self, _fd: Any = None, _events: int = 0) -> None:
        if self.socket.closed:  # a callback that ran earlier in this turn of the loop has closed it
            return
        if self._receives() and not self._wants_to_send():
            # Does not read the events first: a turn that finds nothing costs less. Does not read them after a turn that ended
            # with EAGAIN either: libzmq has then handled all its commands, and the descriptor reports the next message.
            if self._guarded(self._turn):
                self.rearm()
            return
        events = self._events()
        if events & WRITABLE and self._wants_to_send():
            self._guarded(self._writable)
        if events & READABLE and self._receives():
            self._guarded(self._turn)
        if events:
            self.rearm()

    def _guarded(self, step: Callable[[], object]) -> object:
        """What the step returns; True where it has failed."""
        try:
            return step()
        except Exception:  # noqa: BLE001 - whatever it was, the descriptor must be re-armed
            self._log.exception("a turn on a kernel's socket failed; reading continues")
            return True
