"""The IOPub subscription of a kernel, drained in batches on the event loop.

RCVHWM is 0: libzmq's own thread keeps receiving while the event loop is busy. Must not know what a message means, nor who gets
it: its owner takes each batch. Cost: one drain a turn.
"""

import logging
from collections.abc import Callable
from typing import Protocol

import zmq

from .. import _core
from ..sockets.reader import Reader

FLUSH_SECONDS = 0.05
"""How long ``flush`` may hold up the event loop: a kernel that dies in a flood leaves hundreds of megabytes behind."""


class FeedOwner(Protocol):
    """Who a feed works for."""

    def receiver(self) -> _core.Receiver | None:
        """What splits and verifies the messages; None: nobody can any more, and the subscription ends."""

    def take(self, batch: _core.Batch) -> None:
        """The next batch, perhaps with nothing but malformed messages in it."""

    def lags(self) -> None:
        """The kernel sends faster than the event loop reads, and gets more of its time."""

    def close(self) -> None:
        """Ends the subscription."""


class Feed:
    """One subscription after the other; ``open`` begins each."""

    def __init__(self, owner: FeedOwner, log: logging.Logger) -> None:
        self._owner = owner
        self._log = log
        self._reader: Reader | None = None
        self._holders: set[int] = set()
        self._callbacks: list[Callable[[], None]] = []
        self._lag_limit = 1.0

    def open(self, socket: zmq.Socket[bytes]) -> Reader:
        """Reads this socket from now on; the one before is closed."""
        self._drop_socket()
        socket.set(zmq.RCVHWM, 0)
        self._reader = Reader(socket, self._turn, lag_limit=self._lag_limit, log=self._log, bulk=True)
        self._reader.poller.resume()
        return self._reader

    def close(self) -> None:
        """Ends the subscription; what waited for the end of what is in the socket is called."""
        self._drop_socket()
        self.run_callbacks()

    def _drop_socket(self) -> None:
        if self._reader is not None:
            self._reader.poller.close(linger=0)
            self._reader = None

    def closed(self) -> bool:
        return self._reader is None or self._reader.poller.closed()

    def is_current(self, reader: Reader) -> bool:
        """Whether this is the present subscription."""
        return reader is self._reader

    @property
    def reader(self) -> Reader | None:
        """The present subscription's."""
        return self._reader

    @property
    def lag_limit(self) -> float:
        """Seconds for which the kernel may be ahead before it gets more of the event loop's time."""
        return self._lag_limit

    @lag_limit.setter
    def lag_limit(self, seconds: float) -> None:
        self._lag_limit = seconds
        if self._reader is not None:
            self._reader.budget.lag_limit = seconds

    @property
    def behind_since(self) -> float | None:
        """When the kernel began to publish faster than it is read, in the IOLoop's seconds; None while it does not."""
        return None if self._reader is None else self._reader.budget.behind_since

    def hold(self, holder: int, hold: bool) -> None:
        """While anybody holds the feed its messages wait in libzmq."""
        (self._holders.add if hold else self._holders.discard)(holder)
        if self._reader is None or self._reader.poller.closed():
            return
        if self._holders:
            self._reader.poller.paused = True
        elif self._reader.poller.paused:
            self._reader.poller.resume()

    # draining

    def flush(self) -> bool:
        """Hands on what waits in the socket, for ``FLUSH_SECONDS`` at most. False: more waits there."""
        if self._reader is None:
            return True
        loop = self._reader.poller.loop
        until = loop.time() + FLUSH_SECONDS
        while (more := self._turn() or self._has_more()) and loop.time() < until:
            pass
        if self._reader is not None:
            self._reader.poller.rearm()
        return not more

    def _has_more(self) -> bool:
        return self._reader is not None and self._reader.poller.readable()

    def after_drain(self, then: Callable[[], None]) -> None:
        """Calls ``then`` behind all that waits in the socket now: at once if that takes a moment only."""
        if not self._callbacks and self.flush():
            then()
        else:
            self._callbacks.append(then)

    def on_drained(self, then: Callable[[], None]) -> None:
        """Calls ``then`` when nothing waits in the socket any more, never at once."""
        self._callbacks.append(then)

    def cancel(self, then: Callable[[], None]) -> None:
        """Does not call it any more."""
        self._callbacks = [callback for callback in self._callbacks if callback != then]

    def run_callbacks(self) -> None:
        """Calls what waits: nothing of before is left."""
        then, self._callbacks = self._callbacks, []
        for callback in then:
            try:
                callback()
            except (Exception, _core.PanicException):  # noqa: BLE001 - whatever it is, the rest goes on
                self._log.exception("what was to follow a kernel's output failed; the rest goes on")

    def _turn(self) -> bool:
        reader = self._reader
        if reader is None or reader.poller.closed():
            return False
        receiver = self._owner.receiver()
        if receiver is None:
            self._owner.close()
            return False
        more = reader.read(receiver, "iopub", self._owner.take)
        if reader.has_just_lagged:
            self._owner.lags()
        if not more and self._callbacks and not reader.poller.readable():
            self.run_callbacks()
        return more
