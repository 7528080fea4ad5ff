"""The channels of a connection: what ``self.channels["shell"]`` and the others hold.

``Channel`` owns one DEALER socket of the session. It has the part of ``ZMQStream``'s interface that other packages use
(``on_recv``, ``on_recv_stream``, ``stop_on_recv``, ``flush``, ``close``, ``closed``, ``channel``, ``socket.closed``, and
``send_multipart``, so that ``Session.send`` and ``Session.send_raw`` work), and ``on_batch``, which the bridge itself
uses: whole batches, split and verified, instead of one callback a message. Nothing is read while no callback is set.
Must not know clients or WebSockets.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from .. import _core
from ..observe.counters import TOTALS
from .budget import MAX_BYTES, Budget
from .intake import choose
from .pump import Pump, take_socket

__all__ = ["BatchCallback", "Channel", "PartsCallback", "run_callback"]

PartsCallback = Callable[[list[Any]], Any]
BatchCallback = Callable[[_core.Batch], None]

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


class Channel:
    """One socket of one session, as a ``ZMQStream`` would look to others."""

    def __init__(
        self,
        name: str,
        source: Any,
        receiver: Callable[[], _core.Receiver],
        log: logging.Logger,
        lag_limit: float = 1.0,
    ) -> None:
        """``source`` is what ``kernel_manager.connect_*()`` returned; ``receiver()`` verifies what is drained."""
        self.channel = name
        self.socket = take_socket(source)
        self._intake = choose()
        self._receiver = receiver
        self._budget = Budget(lag_limit)
        self._on_parts: PartsCallback | None = None
        self._on_batch: BatchCallback | None = None
        self._unsent: deque[Sequence[Any]] = deque()
        self._log = log
        self.lent = False
        """Somebody else holds this channel too (the manager's offline buffer): what is asked of it changes nothing."""
        self._pump = Pump(self.socket, self._turn, writable=self._send_unsent, wants_to_send=self.sending, log=log)
        self.io_loop = self._pump.loop

    # receiving

    def on_batch(self, callback: BatchCallback) -> None:
        """Calls ``callback`` with each batch of this channel; replaces any other callback."""
        self._on_batch, self._on_parts = callback, None
        self._pump.resume()

    def on_recv(self, callback: PartsCallback | None, copy: bool = True) -> None:
        """Calls ``callback`` with the frames of each message, unverified; None stops receiving."""
        if self.lent:
            return
        if self.closed():
            raise OSError("Channel is closed")
        self._on_batch = None
        self._on_parts = callback if copy or callback is None else _with_frames(callback)
        if callback is None:
            self._pump.paused = True
        else:
            self._pump.resume()

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """As ``on_recv``; the callback gets this channel as its first argument."""
        self.on_recv(None if callback is None else lambda parts: callback(self, parts), copy)

    def stop_on_recv(self) -> None:
        self.on_recv(None)

    def flush(self) -> int:
        """Handles what waits in the socket, both ways; returns the number of turns that took."""
        turns = 0
        self._send_unsent()
        while turns < FLUSH_TURNS and not self.closed() and not self._pump.paused:
            turns += 1
            if not self._turn() and not self._pump.readable():
                break
        self._pump.rearm()
        return turns

    def _turn(self) -> bool:
        started = self.io_loop.time()
        more = self._drain_batch() if self._on_batch else self._receive_parts(started)
        TOTALS.intake_lags += self._budget.settle(started, self.io_loop.time(), more)
        return more

    def _drain_batch(self) -> bool:
        batch, more = self._intake.drain(self._receiver(), self.channel, self.socket, self._budget.messages, MAX_BYTES)
        if self._on_batch and (len(batch) or batch.malformed):
            self._on_batch(batch)
        return more

    def _receive_parts(self, started: float) -> bool:
        """One message at a time, since a callback may end the receiving: what follows then stays in the socket."""
        while self._on_parts and not self.closed() and not self._pump.paused:
            messages, _ = self._intake.receive(self.socket, 1, 1)
            for parts in messages:
                run_callback(self._on_parts, parts)
            if not messages:
                return False
            if self.io_loop.time() - started > self._budget.turn:
                return True
        return False

    # sending

    def send_multipart(self, msg: Sequence[Any], flags: int = 0, copy: bool = True, **_: Any) -> None:
        """Sends the frames, or keeps them until libzmq takes them; never blocks. ``flags`` are implied."""
        if self.closed():
            raise zmq.ZMQError(zmq.ENOTSOCK)
        if self._unsent or not self._intake.send(self.socket, msg):
            self._unsent.append(msg)
        self._pump.rearm()

    def send_signed(self, signer: _core.Signer, message: _core.ClientMessage) -> None:
        """Signs and sends a client's message without a Python object a part, or keeps it like ``send_multipart``."""
        if self.closed():
            raise zmq.ZMQError(zmq.ENOTSOCK)
        if self._unsent or not self._intake.sign_and_send(signer, message, self.socket):
            self._unsent.append(message.signed(signer))
        self._pump.rearm()

    def sending(self) -> bool:
        """Whether messages wait for libzmq to take them."""
        return bool(self._unsent)

    def _send_unsent(self) -> None:
        while self._unsent and not self.closed() and self._intake.send(self.socket, self._unsent[0]):
            self._unsent.popleft()

    # another socket

    def move(self, source: Any) -> None:
        """Goes on with another socket, of a kernel that has new ports; what libzmq has not taken yet goes there."""
        paused = self._pump.paused
        self._pump.close(linger=0)
        self.socket = take_socket(source)
        self._pump = Pump(self.socket, self._turn, writable=self._send_unsent, wants_to_send=self.sending, log=self._log)
        self._pump.paused = paused
        self._pump.rearm()

    # ending

    def closed(self) -> bool:
        return self._pump.closed()

    def close(self, linger: int | None = None) -> None:
        if self.lent:
            return
        self._on_parts = self._on_batch = None
        self._unsent.clear()
        self._pump.close(linger)


def _with_frames(callback: PartsCallback) -> PartsCallback:
    return lambda parts: callback([zmq.Frame(part) for part in parts])
