"""Which session without a connection is ended next, where there are too many or too much waits for them.

Pure: a list in, a list out. Pages that were closed go first, since they seldom come back for what they have missed; sessions
whose connection was lost go last, since somebody waits before a screen for them. Cost: one sort.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Detached(Protocol):
    """What is known of a session without a connection."""

    @property
    def left(self) -> bool:
        """Whether its client closed the connection, as a page does that is closed."""

    @property
    def detached_at(self) -> float | None:
        """Since when it has none, in the event loop's seconds; None while it has one."""


Session = TypeVar("Session")


def order(sessions: Iterable[tuple[Detached, Session]]) -> list[Session]:
    """Those without a connection, the first to end first."""
    detached = [(what, session) for what, session in sessions if what.detached_at is not None]
    detached.sort(key=lambda entry: (not entry[0].left, entry[0].detached_at or 0.0))
    return [session for _, session in detached]
