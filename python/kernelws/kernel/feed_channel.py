"""``FeedChannel``: a connection's IOPub channel, which subscribes to the kernel's shared feed.

It has the interface of ``sockets.channel.Channel`` but no socket of its own. It gets all messages from its creation on and
buffers them until a callback is set. Must not change a batch, which all subscribers share. Cost: none with ``on_batch``,
because the kernel then calls the callback directly.
"""

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from .. import _core
from ..sockets.channel import BatchCallback, PartsCallback, run_callback
from .kernel import Kernel


class FeedSocket:
    """A stand-in for ``channel.socket``, of which other code reads only ``closed``."""

    def __init__(self) -> None:
        self.closed = False


class FeedChannel:
    """A subscriber of a kernel with the interface of a ``ZMQStream``."""

    channel = "iopub"

    def __init__(self, kernel: Kernel) -> None:
        self.socket = FeedSocket()
        self.kernel = kernel
        self._held: list[_core.Batch] = []
        self._on_parts: PartsCallback | None = None
        self.batched = False
        """Whether the last callback was set with ``on_batch``, as a session does."""
        self._token = kernel.subscribe(self._receive)

    def on_batch(self, callback: BatchCallback) -> None:
        """Calls ``callback`` with each batch, first with the buffered ones."""
        self._on_parts, self.batched = None, True
        self._hand_over_held(callback)
        if not self.closed():
            self.kernel.subscribe(callback, self._token)

    def on_recv(self, callback: PartsCallback | None, copy: bool = True) -> None:
        """Calls ``callback`` with the frames of each message. None makes it buffer them. Raises OSError if closed."""
        if self.closed():
            raise OSError("Channel is closed")
        self._on_parts, self.batched = callback, False
        if callback is not None and not copy:
            self._on_parts = lambda parts: callback([zmq.Frame(part) for part in parts])
        self.kernel.subscribe(self._receive, self._token)
        if self._on_parts is not None:
            self._hand_over_held(self._receive)

    def on_recv_stream(self, callback: Callable[[Any, list[Any]], Any] | None, copy: bool = True) -> None:
        """Like ``on_recv``, but passes this channel to the callback as its first argument."""
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
        """Reads the kernel's feed, for every subscriber. Returns 0."""
        self.kernel.feed.flush()
        return 0

    def send_multipart(self, msg: Sequence[Any], *_: Any, **__: Any) -> None:
        """Raises ``ZMQError(ENOTSUP)``: a client cannot send on IOPub."""
        raise zmq.ZMQError(zmq.ENOTSUP)

    def sending(self) -> bool:
        return False

    def closed(self) -> bool:
        return self.socket.closed

    def close(self, linger: int | None = None) -> None:
        """Unsubscribes. The feed itself stays open."""
        self.socket.closed = True
        self._on_parts = None
        self._held.clear()
        self.kernel.unsubscribe(self._token)
