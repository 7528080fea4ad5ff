"""A connection's IOPub channel: its place among the subscribers of the kernel's feed.

It has the same interface as ``channels.Channel`` but no socket of its own. From its creation on no message of the feed
passes it by: while no callback is set they are held and handed over, in order, as soon as there is one.
Must not change a batch: it is shared. Cost: one call a batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from .. import _core
from ..sockets.channel import BatchCallback, PartsCallback, run_callback
from .feed import Feed


class FeedSocket:
    """What ``channel.socket`` is where there is no socket: others only ask it whether it is closed."""

    def __init__(self) -> None:
        self.closed = False


class FeedChannel:
    """One subscriber of a feed, as a ``ZMQStream`` would look to others."""

    channel = "iopub"

    def __init__(self, feed: Feed) -> None:
        self.socket = FeedSocket()
        self.feed = feed
        self._held: list[_core.Batch] = []
        self._on_parts: PartsCallback | None = None
        self._on_batch: BatchCallback | None = None
        self._token = feed.subscribe(self._receive)

    def on_batch(self, callback: BatchCallback) -> None:
        """Calls ``callback`` with each batch, first with those that were held."""
        self._on_batch, self._on_parts = callback, None
        self._hand_over_held()

    def on_recv(self, callback: PartsCallback | None, copy: bool = True) -> None:
        """Calls ``callback`` with the frames of each message; None makes the channel hold what comes."""
        if self.closed():
            raise OSError("Channel is closed")
        self._on_batch, self._on_parts = None, callback
        if callback is not None and not copy:
            self._on_parts = lambda parts: callback([zmq.Frame(part) for part in parts])
        self._hand_over_held()

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """As ``on_recv``; the callback gets this channel as its first argument."""
        self.on_recv(None if callback is None else lambda parts: callback(self, parts), copy)

    def stop_on_recv(self) -> None:
        self.on_recv(None)

    def _receive(self, batch: _core.Batch) -> None:
        if self._on_batch is not None:
            self._on_batch(batch)
        elif self._on_parts is not None:
            self._hand_over_parts(batch)
        else:
            self._held.append(batch)

    def _hand_over_parts(self, batch: _core.Batch) -> None:
        for index in range(len(batch)):
            if self._on_parts is None:  # a callback has closed or stopped the channel
                return
            run_callback(self._on_parts, batch.frames(index))

    def _hand_over_held(self) -> None:
        if self._on_batch is not None or self._on_parts is not None:
            held, self._held = self._held, []
            for batch in held:
                self._receive(batch)

    def flush(self) -> int:
        """Hands on what waits in the kernel's feed, to every subscriber."""
        self.feed.flush()
        return 0

    def send_multipart(self, msg: Sequence[Any], *_: Any, **__: Any) -> None:
        """IOPub only publishes: raises ``ZMQError(ENOTSUP)``."""
        raise zmq.ZMQError(zmq.ENOTSUP)

    def sending(self) -> bool:
        return False

    def closed(self) -> bool:
        return self.socket.closed

    def close(self, linger: int | None = None) -> None:
        """Leaves the feed; the feed itself goes on."""
        self.socket.closed = True
        self._on_batch = self._on_parts = None
        self._held.clear()
        self.feed.unsubscribe(self._token)
