"""A session's state for the status page and the metrics, and for how long it has been in it.

Must not change anything. Cost: a few comparisons.
"""

import time
from typing import TYPE_CHECKING

from tornado.ioloop import IOLoop

if TYPE_CHECKING:
    from .. import _core
    from ..session.session import ClientSession

STATES = ("connected", "held", "slow", "detached")
"""``held``: output waits for the rate limits. ``slow``: output has waited for acknowledgements for ``SLOW_AFTER``."""
SLOW_AFTER = 1.0
"""Seconds. Shorter waits for acknowledgements are normal."""


def clock() -> float:
    """Seconds, on the clock that ``SessionStats`` and ``LastFault`` use."""
    return time.monotonic()


def state_of(session: "ClientSession", stats: "_core.OutboxStats") -> tuple[str, float]:
    """One of ``STATES``, and how many seconds the session has been in it."""
    times, now = session.stats, clock()
    if times.detached_at is not None:
        return "detached", now - times.detached_at
    if stats.waits_since is not None:
        waited = IOLoop.current().time() - stats.waits_since
        if stats.waits_for == "rate":
            return "held", waited
        if waited >= SLOW_AFTER:
            return "slow", waited
    return "connected", now - times.attached_at
