"""The order in which detached sessions are evicted when a limit is exceeded.

Sessions whose page was closed come first, because they are seldom resumed. Sessions whose connection was lost come last,
because a user may still be looking at the page. Must not end a session itself. Cost: one sort.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Stats(Protocol):
    """The part of ``SessionStats`` that decides the order."""

    @property
    def page_closed(self) -> bool:
        """Whether the client sent a close frame, as a page does when it is closed; else the connection was lost."""

    @property
    def detached_at(self) -> float | None:
        """When the connection ended, in the event loop's seconds; None while a client is connected."""


class Kept(Protocol):
    """A session, connected or not."""

    @property
    def stats(self) -> Stats:
        """The session's stats."""


K = TypeVar("K", bound=Kept)


def order(sessions: Iterable[K]) -> list[K]:
    """Returns the detached sessions; the first one is evicted first."""
    detached = [session for session in sessions if session.stats.detached_at is not None]
    detached.sort(key=lambda session: (not session.stats.page_closed, session.stats.detached_at or 0.0))
    return detached
