"""``Feed``: the IOPub subscription of one kernel, read in batches on the event loop.

The socket's RCVHWM is 0 (no limit): libzmq's thread receives while the event loop is busy, and no message is lost. Must not
know what a message means or who gets it: its owner takes each batch. Cost: one read a turn.
"""

import logging
from collections.abc import Callable
from typing import Protocol

import zmq

from .. import _core
from ..sockets.reader import Reader

FLUSH_SECONDS = 0.05
"""Maximum seconds for which ``flush`` blocks the event loop: a kernel may leave hundreds of megabytes in the socket."""


class FeedOwner(Protocol):
    """The kernel, as its feed sees it."""

    def receiver(self) -> _core.Receiver | None:
        """Returns what splits and verifies the messages, or None if the kernel manager no longer exists."""

    def take(self, batch: _core.Batch) -> float:
        """Handles a batch, which may contain only malformed messages. Returns the seconds that do not count as the turn's."""

    def lags(self) -> None:
        """Called when the kernel has been ahead of the event loop for ``lag_limit`` and gets more of the loop's time."""

    def close(self) -> None:
        """Called when ``receiver`` has returned None."""


class Feed:
    """The kernel's current subscription. ``open`` replaces it."""

    def __init__(self, owner: FeedOwner, log: logging.Logger) -> None:
        self._owner = owner
        self._log = log
        self._reader: Reader | None = None
        self._holders: set[int] = set()
        self._callbacks: list[Callable[[], None]] = []
        """Called when the socket is empty, or closed."""
        self._lag_limit = 1.0

    def open(self, socket: zmq.Socket[bytes]) -> Reader:
        """Subscribes with ``socket`` and closes the one before."""
        self._drop_socket()
        socket.set(zmq.RCVHWM, 0)
        self._reader = Reader(socket, self._turn, lag_limit=self._lag_limit, log=self._log, bulk=True)
        self._reader.poller.resume()
        return self._reader

    def close(self) -> None:
        """Ends the subscription and calls the callbacks that wait for an empty socket."""
        self._drop_socket()
        self.run_callbacks()

    def _drop_socket(self) -> None:
        if self._reader is not None:
            self._reader.poller.close(linger=0)
            self._reader = None

    def closed(self) -> bool:
        return self._reader is None or self._reader.poller.closed()

    def is_current(self, reader: Reader) -> bool:
        """Whether ``reader`` reads the current subscription."""
        return reader is self._reader

    @property
    def reader(self) -> Reader | None:
        """The reader of the current subscription."""
        return self._reader

    @property
    def lag_limit(self) -> float:
        """See ``intake_lag_limit``; seconds."""
        return self._lag_limit

    @lag_limit.setter
    def lag_limit(self, seconds: float) -> None:
        self._lag_limit = seconds
        if self._reader is not None:
            self._reader.budget.lag_limit = seconds

    @property
    def behind_since(self) -> float | None:
        """Since when the socket has not been empty, in the IOLoop's seconds; None if the last turn emptied it."""
        return None if self._reader is None else self._reader.budget.behind_since

    def hold(self, holder: int, hold: bool) -> None:
        """Pauses or resumes the feed for one holder. It is paused while there is any holder; libzmq queues the messages."""
        (self._holders.add if hold else self._holders.discard)(holder)
        if self._reader is None or self._reader.poller.closed():
            return
        if self._holders:
            self._reader.poller.paused = True
        elif self._reader.poller.paused:
            self._reader.poller.resume()

    # draining

    def flush(self) -> bool:
        """Reads all messages in the socket, for at most ``FLUSH_SECONDS``. Returns False if messages are left."""
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
        """Calls ``then`` after all messages that are now in the socket: immediately if one ``flush`` reads them all."""
        if not self._callbacks and self.flush():
            then()
        else:
            self._callbacks.append(then)

    def on_drained(self, then: Callable[[], None]) -> None:
        """Calls ``then`` when the socket is empty, but not before this returns."""
        self._callbacks.append(then)

    def cancel(self, then: Callable[[], None]) -> None:
        """Undoes ``on_drained(then)``."""
        self._callbacks = [callback for callback in self._callbacks if callback != then]

    def run_callbacks(self) -> None:
        """Calls the callbacks of ``after_drain`` and ``on_drained``."""
        then, self._callbacks = self._callbacks, []
        for callback in then:
            try:
                callback()
            except (Exception, _core.PanicException):  # noqa: BLE001 - one failure must not stop the other callbacks
                self._log.exception("a callback after a kernel's last output failed; the others still run")

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
