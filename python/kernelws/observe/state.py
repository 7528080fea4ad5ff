"""What a session is doing now, in one word, and since when.

Must not change anything. Cost: a few comparisons.
"""

import time
from typing import TYPE_CHECKING

from tornado.ioloop import IOLoop

if TYPE_CHECKING:
    from .. import _core
    from ..session.session import ClientSession

STATES = ("connected", "held", "slow", "detached")
"""``held``: over the rate limits. ``slow``: the client has not acknowledged what it was sent for ``SLOW_AFTER``."""
SLOW_AFTER = 1.0
"""Seconds; shorter waits are the ordinary clocking of output by the client's acknowledgements."""


def clock() -> float:
    """Seconds of the clock of asyncio's loops, ``SessionStats`` and ``LastFault``."""
    return time.monotonic()


def state_of(session: "ClientSession", stats: "_core.OutboxStats") -> tuple[str, float]:
    """One of ``STATES``, and for how many seconds."""
    tally, now = session.stats, clock()
    if tally.detached_at is not None:
        return "detached", now - tally.detached_at
    if stats.waits_since is not None:
        waited = IOLoop.current().time() - stats.waits_since
        if stats.waits_for == "rate":
            return "held", waited
        if waited >= SLOW_AFTER:
            return "slow", waited
    return "connected", now - tally.attached_at
