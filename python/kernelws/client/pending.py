"""Where a client's shell messages wait until its kernel is ready. Control does not wait.

Bounded in messages and bytes. Must not decode: what waits was admitted already.
"""

from collections.abc import Callable

from .. import _core

MAX_MESSAGES = 10_000
MAX_BYTES = 16 << 20
PART_UPKEEP = 64
"""Bytes of memory that a part takes up besides its own: a message may have 4,096 empty ones."""


class PendingMessages:
    """``send(channel, message)`` is called for each message, in order, once ``send_all`` was called."""

    def __init__(self, send: Callable[[str, _core.ClientMessage], None]) -> None:
        self._send = send
        self._waiting: list[tuple[str, _core.ClientMessage]] = []
        self._bytes = 0
        self.empty = True
        """Whether nothing waits."""

    def add(self, channel: str, message: _core.ClientMessage) -> bool:
        """False if there is no room: the message was not taken."""
        size = sum(map(len, message.parts)) + PART_UPKEEP * len(message.parts)
        if len(self._waiting) >= MAX_MESSAGES or self._bytes + size > MAX_BYTES:
            return False
        self._waiting.append((channel, message))
        self._bytes += size
        self.empty = False
        return True

    def send_all(self) -> None:
        """Sends what waits."""
        waiting = self._waiting
        self.clear()
        for channel, message in waiting:
            self._send(channel, message)

    def clear(self) -> None:
        self._waiting, self._bytes, self.empty = [], 0, True
