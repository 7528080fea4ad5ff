"""A bounded queue for a client's shell messages until its kernel is ready.

Must not check messages: ``inbound`` has done that. Cost: one list append a message.
"""

from collections.abc import Callable

from .. import _core

MAX_MESSAGES = 10_000
MAX_BYTES = 16 << 20
PART_UPKEEP = 64
"""Bytes added for each part, for the memory of its object: a message may have 4,096 empty parts."""


class PendingMessages:
    """The queue of one connection. ``send(channel, message)`` sends a message."""

    def __init__(self, send: Callable[[str, _core.ClientMessage], None]) -> None:
        self._send = send
        self._waiting: list[tuple[str, _core.ClientMessage]] = []
        self._bytes = 0
        self.empty = True
        """Whether no message is queued; every frame of a client reads it."""

    def add(self, channel: str, message: _core.ClientMessage) -> bool:
        """Queues a message. Returns False, and does not queue it, if the queue is full."""
        size = sum(map(len, message.parts)) + PART_UPKEEP * len(message.parts)
        if len(self._waiting) >= MAX_MESSAGES or self._bytes + size > MAX_BYTES:
            return False
        self._waiting.append((channel, message))
        self._bytes += size
        self.empty = False
        return True

    def send_all(self) -> None:
        """Sends all queued messages in order and empties the queue."""
        waiting = self._waiting
        self.clear()
        for channel, message in waiting:
            self._send(channel, message)

    def clear(self) -> None:
        """Drops all queued messages."""
        self._waiting, self._bytes, self.empty = [], 0, True
