"""``Followers``: the pages that have taken over executions which another session began.

IOPub reaches all sessions of a kernel anyway. Replies and prompts do not: the kernel addresses them to the session that sent
the request. A follower gets copies of them, after the output that precedes them.
Must not know which pages may follow. Cost: a copy of each reply and prompt of an execution for each follower.
"""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from .. import _core

if TYPE_CHECKING:
    from jupyter_client.session import Session

    from ..messages.keys import Keys


class Follower(Protocol):
    """The page of a session, as the journal sees it."""

    @property
    def session_id(self) -> str:
        """The session id of the page."""

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""

    def widgets(self, journal: _core.Journal, owner: str | None, request: str, *, fill: bool) -> tuple[int, int, int]:
        """Shows the widgets of this owner as answers to ``request``; ``fill``: what they have captured, after the outputs that
        show them. Returns how many are replayed, evicted and unknown."""

    def replay(self, journal: _core.Journal, number: int) -> None:
        """Clears what the page shows of an execution, and shows all output anew; if it is over, ends it."""

    def end_replay(self, runs: bool) -> None:
        """Shows the kernel's true status after replays of executions that are over. ``runs``: whether another one is running."""

    def reply(self, journal: _core.Journal, number: int) -> None:
        """Appends a reply to an execution, because the kernel's own can no longer arrive."""

    def copy(self, batch: _core.Batch, execution_id: str) -> None:
        """Appends an execution's replies and prompts from ``batch``, which was addressed to another session."""


@runtime_checkable
class Asker(Protocol):
    """The sockets from which requests were sent: a session's, those of an ended one, or a runner's."""

    @property
    def session(self) -> "Session": ...
    @property
    def keys(self) -> "Keys": ...
    @property
    def channels(self) -> dict[str, Any]: ...
    @property
    def replays(self) -> Follower | None:
        """The page, if there is one."""


class Followers:
    """The followers of one kernel's executions."""

    def __init__(self) -> None:
        self.of_number: dict[int, list[Follower]] = {}
        """Number of an execution -> its followers. An execution without followers is not in it."""

    def add(self, number: int, page: Follower) -> None:
        self.of_number[number] = [*(other for other in self.of(number) if other is not page), page]

    def of(self, number: int) -> list[Follower]:
        """The followers whose sessions have not ended."""
        return [page for page in self.of_number.get(number, ()) if not page.closed]

    def follows(self, number: int, session: str) -> bool:
        return any(page.session_id == session for page in self.of(number))

    def forget(self, number: int) -> None:
        self.of_number.pop(number, None)

    def copy(self, number: int, batch: _core.Batch, execution_id: str) -> None:
        for page in self.of(number):
            page.copy(batch, execution_id)

    def reply(self, number: int, journal: _core.Journal) -> None:
        for page in self.of(number):
            page.reply(journal, number)
