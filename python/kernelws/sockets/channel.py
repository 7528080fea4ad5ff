"""One channel of a connection, such as ``self.channels["shell"]``: a DEALER socket with ``ZMQStream``'s interface.

The socket is opened when it is first needed: it takes 35 KB and two descriptors, and many clients never use control or stdin.
A shell message that may make the kernel ask for input waits until the kernel has greeted the stdin socket (ZMTP's greeting,
which completes the connection): a prompt to a socket that the kernel does not know yet is lost.
``Channel`` has the part of ``ZMQStream``'s interface that other packages use (``on_recv``, ``on_recv_stream``,
``stop_on_recv``, ``flush``, ``close``, ``closed``, ``channel``, ``socket.closed``, and ``send_multipart``, so that
``Session.send`` and ``Session.send_raw`` work). kernelws itself uses ``on_batch``, which passes whole verified batches
instead of single messages. The socket is read only while a callback is set.
Must not know clients or WebSockets. Cost: a channel without a socket allocates nothing.
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
"""Shell messages that kernels answer without a prompt. jupyter_client's messaging specification, "Messages on the stdin
channel", has prompts only while code is executed. Any other message may cause one."""
GREETING_TIMEOUT = 2.0
"""Seconds that a shell message waits for the kernel to greet stdin. Then it is sent, since it may not need stdin."""
LAG_LIMIT = 1.0
"""Seconds that replies may lag behind before they get more of the event loop."""
FLUSH_TURNS = 1000
"""``flush`` ends after this many turns, so that a kernel that never stops sending cannot block the event loop."""


_running: set["asyncio.Future[Any]"] = set()
"""Tasks of callbacks that are coroutines. The references keep the garbage collector from ending them early."""


def run_callback(callback: Callable[..., Any], *arguments: Any) -> None:
    """Calls a callback that may be a coroutine function, as ``ZMQStream`` does."""
    result = callback(*arguments)
    if inspect.isawaitable(result):
        task = asyncio.ensure_future(result)
        _running.add(task)
        task.add_done_callback(_running.discard)


class ClosedSocket:
    """``channel.socket`` of a channel that was closed before its socket was opened."""

    closed = True


class Channel:
    """One socket of one session, with ``ZMQStream``'s interface."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_connect",
        "_greeting_timeout",
        "_held",
        "_log",
        "_on_batch",
        "_on_greeted",
        "_on_parts",
        "_reader",
        "_receiver",
        "_stdin",
        "batched",
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
        stdin: "Channel | None" = None,
    ) -> None:
        """``connect()`` makes the socket, as ``kernel_manager.connect_*()`` do; ``receiver()`` verifies received messages.

        ``stdin`` is the session's stdin channel, passed to its shell channel only.
        """
        self.channel = name
        self.io_loop = IOLoop.current()
        self.greeted = False
        """True once the kernel has greeted the socket or ``GREETING_TIMEOUT`` is over. Only set after ``when_greeted``."""
        self._connect = connect
        self._receiver = receiver
        self._log = log
        self._stdin = stdin
        self._on_parts: PartsCallback | None = None
        self.batched = False
        """Whether the last callback was set with ``on_batch``, as a session does."""
        self._on_batch: BatchCallback | None = None
        self._reader: Reader | None = None
        self._held = False
        """Whether messages wait for stdin's greeting; ``_release`` sends them."""
        self._on_greeted: Callable[[], None] | None = None
        self._greeting_timeout: object = None
        self._closed = False

    # opening

    @property
    def socket(self) -> Any:
        """The socket; opens it if necessary."""
        if self._reader is None and self._closed:
            return ClosedSocket()
        return (self._reader or self.open()).poller.socket

    def open(self) -> Reader:
        """Opens the socket unless it is open. Raises ``ChannelUnavailable``; after ``close``, ``zmq.ZMQError``."""
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
        """Calls ``callback`` when the kernel greets the socket, at the latest after ``GREETING_TIMEOUT``. Raises as ``open``."""
        reader = self.open()
        self._on_greeted = callback
        self._greeting_timeout = self.io_loop.call_later(GREETING_TIMEOUT, self._end_greeting)
        reader.poller.rearm()

    def _end_greeting(self) -> None:
        self.greeted = True
        if self._greeting_timeout is not None:
            self.io_loop.remove_timeout(self._greeting_timeout)
        callback, self._on_greeted, self._greeting_timeout = self._on_greeted, None, None
        if callback is not None:
            callback()

    # receiving

    def on_batch(self, callback: BatchCallback) -> None:
        """Calls ``callback`` with each batch of this channel; replaces any other callback."""
        self._on_batch, self._on_parts, self.batched = callback, None, True
        self._resume()

    def on_recv(self, callback: PartsCallback | None, copy: bool = True) -> None:
        """Calls ``callback`` with the frames of each message, unverified; None stops receiving."""
        if self.closed():
            raise OSError("Channel is closed")
        self._on_batch, self.batched = None, False
        self._on_parts = callback if copy or callback is None else _with_frames(callback)
        self._resume()

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """As ``on_recv``; the callback gets this channel as its first argument."""
        self.on_recv(None if callback is None else lambda parts: callback(self, parts), copy)

    def stop_on_recv(self) -> None:
        self.on_recv(None)

    def flush(self) -> int:
        """Sends queued messages and handles received ones; returns the number of turns."""
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
        """Reads the socket while a callback is set, and pauses it otherwise."""
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
        """Receives one message at a time, because a callback may stop receiving; later messages then stay in the socket."""
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
        """Sends the frames, or queues them until libzmq takes them; never blocks. ``flags`` and ``copy`` are ignored."""
        reader = self.open()
        if self._stdin is not None and not self._stdin.greeted:
            self._hold_for(self._stdin)
        if self._held or reader.unsent or not reader.transport.send(reader.poller.socket, msg):
            reader.unsent.append(msg)
        reader.poller.rearm()

    def send_signed(self, signer: _core.Signer, message: _core.ClientMessage) -> None:
        """Signs and sends a client's message, or queues it as ``send_multipart`` does. Sending makes no object per part."""
        reader = self.open()
        if self._stdin is not None and not self._stdin.greeted and message.msg_type not in ASKS_NO_INPUT:
            self._hold_for(self._stdin)
        if self._held or reader.unsent or not reader.transport.sign_and_send(signer, message, reader.poller.socket):
            reader.unsent.append(message.signed(signer))
        reader.poller.rearm()

    def sending(self) -> bool:
        """Whether messages are queued, until libzmq takes them or the kernel greets stdin."""
        return self._reader is not None and bool(self._reader.unsent)

    def _hold_for(self, stdin: "Channel") -> None:
        """Queues messages from now on until the kernel has greeted stdin."""
        if not self._held and not stdin.closed():
            stdin.when_greeted(self._release)
            self._held = True

    def _release(self) -> None:
        self._held = False
        self._send_unsent()
        if self._reader is not None:
            self._reader.poller.rearm()

    def _wants_to_send(self) -> bool:
        return self._on_greeted is not None or (self.sending() and not self._held)

    def _writable(self) -> None:
        """The socket can send. For a stdin socket from ``kernel/connect`` this means that the kernel has greeted it."""
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
        """Replaces the socket, because the kernel has new ports. Messages that libzmq has not taken yet go to the new one."""
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
        """Closes the socket. Sends messages that wait for stdin first, since prompts cannot be answered any more."""
        if self.closed():
            return
        self._on_parts = self._on_batch = None
        self._release()
        self._closed = True
        if self._reader is not None:
            self._reader.unsent.clear()
            self._reader.poller.close(linger)
        self._end_greeting()


def _with_frames(callback: PartsCallback) -> PartsCallback:
    return lambda parts: callback([zmq.Frame(part) for part in parts])
