"""Which session without a connection is ended next, where there are too many or too much waits for them.

Pure: a list in, a list out. Pages that were closed go first, since they seldom come back for what they have missed; sessions
whose connection was lost go last, since somebody waits before a screen for them. Cost: one sort.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Stats(Protocol):
    """What is known of a session without a connection."""

    @property
    def page_closed(self) -> bool:
        """Whether its client closed the connection, as a page does that is closed."""

    @property
    def detached_at(self) -> float | None:
        """Since when it has none, in the event loop's seconds; None while it has one."""


class Kept(Protocol):
    """A session, connected or not."""

    @property
    def stats(self) -> Stats:
        """What has happened to it."""


K = TypeVar("K", bound=Kept)


def order(sessions: Iterable[K]) -> list[K]:
    """Those without a connection, the first to end first."""
    detached = [session for session in sessions if session.stats.detached_at is not None]
    detached.sort(key=lambda session: (not session.stats.page_closed, session.stats.detached_at or 0.0))
    return detached
