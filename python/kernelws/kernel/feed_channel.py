"""A connection's IOPub channel: its place among the subscribers of the kernel.

It has the same interface as ``sockets.channel.Channel`` but no socket of its own. From its creation on no message of the kernel
passes it by: while no callback is set they are held and handed over, in order, as soon as there is one.
Must not change a batch: it is shared. Cost: nothing where ``on_batch`` is used, for which the kernel calls the callback itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from .. import _core
from ..sockets.channel import BatchCallback, PartsCallback, run_callback
from .kernel import Kernel


class FeedSocket:
    """What ``channel.socket`` is where there is no socket: others only ask it whether it is closed."""

    def __init__(self) -> None:
        self.closed = False


class FeedChannel:
    """One subscriber of a kernel, as a ``ZMQStream`` would look to others."""

    channel = "iopub"

    def __init__(self, kernel: Kernel) -> None:
        self.socket = FeedSocket()
        self.kernel = kernel
        self._held: list[_core.Batch] = []
        self._on_parts: PartsCallback | None = None
        self._token = kernel.subscribe(self._receive)

    def on_batch(self, callback: BatchCallback) -> None:
        """Calls ``callback`` with each batch, first with those that were held."""
        self._on_parts = None
        self._hand_over_held(callback)
        if not self.closed():
            self.kernel.subscribe(callback, self._token)

    def on_recv(self, callback: PartsCallback | None, copy: bool = True) -> None:
        """Calls ``callback`` with the frames of each message; None makes the channel hold what comes."""
        if self.closed():
            raise OSError("Channel is closed")
        self._on_parts = callback
        if callback is not None and not copy:
            self._on_parts = lambda parts: callback([zmq.Frame(part) for part in parts])
        self.kernel.subscribe(self._receive, self._token)
        if self._on_parts is not None:
            self._hand_over_held(self._receive)

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """As ``on_recv``; the callback gets this channel as its first argument."""
        self.on_recv(None if callback is None else lambda parts: callback(self, parts), copy)

    def stop_on_recv(self) -> None:
        self.on_recv(None)

    def _receive(self, batch: _core.Batch) -> None:
        if self._on_parts is None:
            self._held.append(batch)
        else:
            self._hand_over_parts(batch)

    def _hand_over_parts(self, batch: _core.Batch) -> None:
        for index in range(len(batch)):
            if self._on_parts is None:  # a callback has closed or stopped the channel
                return
            run_callback(self._on_parts, batch.frames(index))

    def _hand_over_held(self, callback: BatchCallback) -> None:
        held, self._held = self._held, []
        for batch in held:
            callback(batch)

    def flush(self) -> int:
        """Hands on what waits in the kernel's feed, to every subscriber."""
        self.kernel.feed.flush()
        return 0

    def send_multipart(self, msg: Sequence[Any], *_: Any, **__: Any) -> None:
        """IOPub only publishes: raises ``ZMQError(ENOTSUP)``."""
        raise zmq.ZMQError(zmq.ENOTSUP)

    def sending(self) -> bool:
        return False

    def closed(self) -> bool:
        return self.socket.closed

    def close(self, linger: int | None = None) -> None:
        """Leaves the kernel's subscribers; the feed itself goes on."""
        self.socket.closed = True
        self._on_parts = None
        self._held.clear()
        self.kernel.unsubscribe(self._token)
