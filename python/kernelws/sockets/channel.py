"""The channels of a connection: what ``self.channels["shell"]`` and the others hold.

``Channel`` owns one DEALER socket of the session, which it opens when it is first needed: a socket takes 35 KB and two
descriptors, and many clients never use control or stdin. A shell channel holds a message that may make the kernel ask for
input until stdin has been greeted by the kernel; to an identity that it does not know yet a prompt would be lost.
It has the part of ``ZMQStream``'s interface that other packages use
(``on_recv``, ``on_recv_stream``, ``stop_on_recv``, ``flush``, ``close``, ``closed``, ``channel``, ``socket.closed``, and
``send_multipart``, so that ``Session.send`` and ``Session.send_raw`` work), and ``on_batch``, which the bridge itself
uses: whole batches, split and verified, instead of one callback a message. Nothing is read while no callback is set.
Must not know clients or WebSockets. Cost: nothing is allocated for a socket that is not open.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from tornado.ioloop import IOLoop

from .. import _core
from ..errors import ChannelUnavailable
from .poller import take_socket
from .reader import Reader

__all__ = ["BatchCallback", "Channel", "PartsCallback", "run_callback"]

PartsCallback = Callable[[list[Any]], Any]
BatchCallback = Callable[[_core.Batch], None]

ASKS_NO_INPUT = frozenset(
    {
        "kernel_info_request",
        "comm_info_request",
        "history_request",
        "complete_request",
        "inspect_request",
        "is_complete_request",
    }
)
"""Shell messages that no kernel answers with a prompt: jupyter_client's messaging specification, "Messages on the stdin
channel", has one while code is executed. What else there is may."""
PATIENCE = 2.0
"""Seconds after which a message goes to the shell of a kernel whose stdin does not answer: it may work without."""
LAG_LIMIT = 1.0
"""Seconds that replies may stay behind before they get more of the event loop."""
FLUSH_TURNS = 1000
"""``flush`` ends after so many turns, so that a kernel that never stops sending cannot hold the event loop."""


_running: set["asyncio.Future[Any]"] = set()
"""Callbacks that are coroutines, kept from the garbage collector until they are done."""


def run_callback(callback: Callable[..., Any], *arguments: Any) -> None:
    """Calls a callback that may be a coroutine function, as ``ZMQStream`` does."""
    result = callback(*arguments)
    if inspect.isawaitable(result):
        task = asyncio.ensure_future(result)
        _running.add(task)
        task.add_done_callback(_running.discard)


class ClosedSocket:
    """What ``channel.socket`` is of a channel that was closed before it needed one."""

    closed = True


class Channel:
    """One socket of one session, as a ``ZMQStream`` would look to others."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_connect",
        "_held",
        "_log",
        "_needs",
        "_on_batch",
        "_on_greeted",
        "_on_parts",
        "_patience",
        "_reader",
        "_receiver",
        "channel",
        "greeted",
        "io_loop",
    )

    def __init__(
        self,
        name: str,
        connect: Callable[[], Any],
        receiver: Callable[[], _core.Receiver],
        log: logging.Logger,
        needs: "Channel | None" = None,
    ) -> None:
        """``connect()`` makes the socket, as ``kernel_manager.connect_*()`` do; ``receiver()`` verifies what is drained.

        ``needs`` is the session's stdin, for its shell.
        """
        self.channel = name
        self.io_loop = IOLoop.current()
        self.greeted = False
        """Whether the kernel has greeted the socket, or will not; looked for only where ``when_greeted`` was called."""
        self._connect = connect
        self._receiver = receiver
        self._log = log
        self._needs = needs
        self._on_parts: PartsCallback | None = None
        self._on_batch: BatchCallback | None = None
        self._reader: Reader | None = None
        self._held = False
        """Messages wait for ``needs``, and go by ``_go_on``."""
        self._on_greeted: Callable[[], None] | None = None
        self._patience: object = None
        self._closed = False

    # opening

    @property
    def socket(self) -> Any:
        """The socket, which is opened if it was not."""
        if self._reader is None and self._closed:
            return ClosedSocket()
        return (self._reader or self.open()).poller.socket

    def open(self) -> Reader:
        """Opens the socket unless it is open. Raises ``ChannelUnavailable``, ``zmq.ZMQError`` after ``close``."""
        if self.closed():
            raise zmq.ZMQError(zmq.ENOTSOCK)
        if self._reader is None:
            self._reader = self._new_reader()
            self._resume()
        return self._reader

    def _new_reader(self) -> Reader:
        try:
            socket = take_socket(self._connect())
        except Exception as error:  # whatever a kernel manager's connect_*() raises
            raise ChannelUnavailable(f"{self.channel}: {error}") from error
        return Reader(
            socket,
            self._turn,
            lag_limit=LAG_LIMIT,
            log=self._log,
            writable=self._writable,
            wants_to_send=self._wants_to_send,
        )

    def when_greeted(self, callback: Callable[[], None]) -> None:
        """Calls back once the kernel has greeted the socket, or has not for ``PATIENCE``. Raises as ``open``."""
        reader = self.open()
        self._on_greeted = callback
        self._patience = self.io_loop.call_later(PATIENCE, self._end_greeting)
        reader.poller.rearm()

    def _end_greeting(self) -> None:
        self.greeted = True
        if self._patience is not None:
            self.io_loop.remove_timeout(self._patience)
        callback, self._on_greeted, self._patience = self._on_greeted, None, None
        if callback is not None:
            callback()

    # receiving

    def on_batch(self, callback: BatchCallback) -> None:
        """Calls ``callback`` with each batch of this channel; replaces any other callback."""
        self._on_batch, self._on_parts = callback, None
        self._resume()

    def on_recv(self, callback: PartsCallback | None, copy: bool = True) -> None:
        """Calls ``callback`` with the frames of each message, unverified; None stops receiving."""
        if self.closed():
            raise OSError("Channel is closed")
        self._on_batch = None
        self._on_parts = callback if copy or callback is None else _with_frames(callback)
        self._resume()

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """As ``on_recv``; the callback gets this channel as its first argument."""
        self.on_recv(None if callback is None else lambda parts: callback(self, parts), copy)

    def stop_on_recv(self) -> None:
        self.on_recv(None)

    def flush(self) -> int:
        """Handles what waits in the socket, both ways; returns the number of turns that took."""
        turns, reader = 0, self._reader
        if reader is None:
            return 0
        self._send_unsent()
        while turns < FLUSH_TURNS and not self.closed() and self._receives():
            turns += 1
            if not self._turn() and not reader.poller.readable():
                break
        reader.poller.rearm()
        return turns

    def _receives(self) -> bool:
        return self._on_batch is not None or self._on_parts is not None

    def _resume(self) -> None:
        """Goes on receiving, or stops, as the callbacks say."""
        if self._reader is not None:
            self._reader.poller.paused = not self._receives()
            self._reader.poller.rearm()

    def _turn(self) -> bool:
        reader = self.open()
        if self._on_batch:
            return reader.read(self._receiver(), self.channel, self._hand_on)
        started = self.io_loop.time()
        return reader.settle(started, self._receive_parts(reader, started))

    def _hand_on(self, batch: _core.Batch) -> None:
        if self._on_batch and (len(batch) or batch.malformed):
            self._on_batch(batch)

    def _receive_parts(self, reader: Reader, started: float) -> bool:
        """One message at a time, since a callback may end the receiving: what follows then stays in the socket."""
        while self._on_parts and not self.closed():
            messages, _ = reader.transport.receive(reader.poller.socket, 1, 1)
            for parts in messages:
                run_callback(self._on_parts, parts)
            if not messages:
                return False
            if self.io_loop.time() - started > reader.budget.turn:
                return True
        return False

    # sending

    def send_multipart(self, msg: Sequence[Any], flags: int = 0, copy: bool = True, **_: Any) -> None:
        """Sends the frames, or keeps them until libzmq takes them; never blocks. ``flags`` are implied."""
        reader = self.open()
        if self._needs is not None and not self._needs.greeted:
            self._hold_for(self._needs)
        if self._held or reader.unsent or not reader.transport.send(reader.poller.socket, msg):
            reader.unsent.append(msg)
        reader.poller.rearm()

    def send_signed(self, signer: _core.Signer, message: _core.ClientMessage) -> None:
        """Signs and sends a client's message without a Python object a part, or keeps it like ``send_multipart``."""
        reader = self.open()
        if self._needs is not None and not self._needs.greeted and message.msg_type not in ASKS_NO_INPUT:
            self._hold_for(self._needs)
        if self._held or reader.unsent or not reader.transport.sign_and_send(signer, message, reader.poller.socket):
            reader.unsent.append(message.signed(signer))
        reader.poller.rearm()

    def sending(self) -> bool:
        """Whether messages wait for libzmq to take them, or for stdin."""
        return self._reader is not None and bool(self._reader.unsent)

    def _hold_for(self, stdin: "Channel") -> None:
        """What is sent from now on waits until the session's stdin can get a prompt."""
        if not self._held and not stdin.closed():
            stdin.when_greeted(self._go_on)
            self._held = True

    def _go_on(self) -> None:
        self._held = False
        self._send_unsent()
        if self._reader is not None:
            self._reader.poller.rearm()

    def _wants_to_send(self) -> bool:
        return self._on_greeted is not None or (self.sending() and not self._held)

    def _writable(self) -> None:
        """The kernel is there: a stdin that ``kernel/connect`` has made is not writable before the greeting."""
        if self._on_greeted is not None:
            self._end_greeting()
        self._send_unsent()

    def _send_unsent(self) -> None:
        reader, sent = self._reader, 0
        if reader is None or self._held or self.closed():
            return
        try:
            while sent < len(reader.unsent) and reader.transport.send(reader.poller.socket, reader.unsent[sent]):
                sent += 1
        finally:
            del reader.unsent[:sent]

    # another socket

    def move(self) -> None:
        """Goes on with another socket, of a kernel that has new ports; what libzmq has not taken yet goes there."""
        self.greeted = False
        before = self._reader
        if before is not None:
            self._reader = self._new_reader()
            self._reader.unsent = before.unsent
            before.poller.close(linger=0)
            self._resume()

    # ending

    def closed(self) -> bool:
        return self._closed if self._reader is None else self._reader.poller.closed()

    def close(self, linger: int | None = None) -> None:
        """Closes the socket. What waits for stdin goes out first: no prompt can be answered any more."""
        if self.closed():
            return
        self._on_parts = self._on_batch = None
        self._go_on()
        self._closed = True
        if self._reader is not None:
            self._reader.unsent.clear()
            self._reader.poller.close(linger)
        self._end_greeting()


def _with_frames(callback: PartsCallback) -> PartsCallback:
    return lambda parts: callback([zmq.Frame(part) for part in parts])
