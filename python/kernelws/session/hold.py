"""``Hold``: pauses a kernel's feed while the disk of a session cannot keep up.

The messages stay in libzmq's queue. If no other client of the kernel reads, the feed is paused until the disk has caught up,
so the session stays within its memory limit. If another client reads, the feed is paused for ``HOLD_SECONDS`` only. After that
the session's messages are queued in memory, up to ``outbox_memory_limit``, and the feed is not paused again until the disk has
caught up. Must not read the disk or the outbox. Cost: a timer while the feed is paused.
"""

import asyncio
from collections.abc import Callable

HOLD_SECONDS = 0.05
"""How long a client that reads may wait for the disk of another client's session."""


def is_over(held_for: float, others_read: bool) -> bool:
    """Whether to resume the feed before the disk has caught up. ``held_for``: seconds since it was paused."""
    return others_read and held_for >= HOLD_SECONDS


class Hold:
    """Pauses the feed for one session. ``set_hold(True)`` pauses it; ``others_read()`` says whether another client reads."""

    def __init__(self, set_hold: Callable[[bool], None], others_read: Callable[[], bool]) -> None:
        self._set_hold = set_hold
        self._others_read = others_read
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._spent = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Pauses the feed because the disk is behind; does nothing if other clients have ended the pause before."""
        if self._since is None and not self._spent:
            self._since = self._loop.time()
            self._set_hold(True)
            self._look_later()

    def end(self) -> None:
        """Resumes the feed because the disk has caught up, or the session ends."""
        self._spent = False
        self._release()

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(HOLD_SECONDS, self._look)

    def _look(self) -> None:
        if self._since is None:
            return
        if is_over(self._loop.time() - self._since, self._others_read()):
            self._spent = True
            self._release()
        else:
            self._look_later()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._since is not None:
            self._since = None
            self._set_hold(False)
