"""How long a session whose disk is behind may hold its kernel's output back: the messages wait in libzmq meanwhile.

While nobody else reads, as long as the disk is behind: memory stays within its bound. While another client of the kernel
reads, a moment; from then on what comes waits in memory, up to the session's share of ``outbox_memory_limit``, until the disk
has caught up. Must not read the disk or the outbox. Cost: a timer while something is held.
"""

import asyncio
from collections.abc import Callable

HOLD_SECONDS = 0.05
"""What a client that reads may be kept waiting by another client's disk."""


def is_over(held_for: float, others_read: bool) -> bool:
    """Whether a hold ends though the disk is still behind. ``held_for`` in seconds."""
    return others_read and held_for >= HOLD_SECONDS


class Hold:
    """One session's hold of its kernel's feed. ``set_hold`` does it, ``others_read`` says whether another client reads."""

    def __init__(self, set_hold: Callable[[bool], None], others_read: Callable[[], bool]) -> None:
        self._set_hold = set_hold
        self._others_read = others_read
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._spent = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The disk is behind. Once a hold was ended for others, nothing is held until the disk has caught up."""
        if self._since is None and not self._spent:
            self._since = self._loop.time()
            self._set_hold(True)
            self._look_later()

    def end(self) -> None:
        """The disk has caught up, or the session ends."""
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
