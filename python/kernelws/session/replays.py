"""``Replays``: appends executions and widgets to a session's outbox, because the session's page takes them over.

The native journal makes the messages; this file gives it their session, ids and date. They are subject to the limits of the
outbox, as the kernel's own messages are, but not to the rate limits. Implements ``Follower``.
Must not decide what is replayed, nor who may see it. Cost: a copy of an execution's output for each replay.
"""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .. import _core
from ..messages import adapt, notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.session import Session

    from ..kernel.kernel import Kernel
    from .facts import SessionStats


class Owner(Protocol):
    """The session, as ``Replays`` sees it."""

    session: "Session"
    kernel: "Kernel"
    outbox: _core.Outbox
    stats: "SessionStats"

    @property
    def protocol(self) -> Literal["v1", "legacy"]: ...
    @property
    def closed(self) -> bool: ...
    def change(self, change: "Callable[..., object]", *arguments: Any) -> None: ...
    def append_own(self, payload: str | bytes) -> None: ...
    def enforce_limits(self) -> None: ...


class Replays:
    """The replays of one session."""

    def __init__(self, session: Owner) -> None:
        self._session = session

    @property
    def session_id(self) -> str:
        """See ``Follower``."""
        session_id: str = self._session.session.session
        return session_id

    @property
    def closed(self) -> bool:
        """See ``Follower``."""
        return self._session.closed

    def widgets(self, journal: _core.Journal, owner: str | None, request: str, *, fill: bool) -> tuple[int, int, int]:
        """See ``Follower``."""
        session, counts = self._session, (0, 0, 0)

        def append() -> None:
            nonlocal counts
            to = (request, self.session_id)
            counts = _core.append_widgets(session.outbox, journal, owner, to, self._voice, fill)

        session.change(append)
        session.enforce_limits()
        return counts

    def replay(self, journal: _core.Journal, number: int) -> None:
        """See ``Follower``."""
        self._append(journal, number, reply=False)

    def reply(self, journal: _core.Journal, number: int) -> None:
        """See ``Follower``."""
        self._append(journal, number, reply=True)

    def end_replay(self, runs: bool) -> None:
        """See ``Follower``."""
        last: Any = self._session.kernel.last_status
        content = {} if last is None else notices.readable(self._session.session, last[-1])
        known = content.get("execution_state")
        state = known if isinstance(known, str) and not runs else "busy" if runs else "idle"
        self._session.append_own(self._messages.status(state))

    def copy(self, batch: _core.Batch, execution_id: str) -> None:
        """See ``Follower``."""
        session = self._session
        if adapt.is_old_kernel(session.session):
            adapt.for_old_kernel(batch, session.session)
        if session.protocol == "legacy" and batch.unusual():
            adapt.for_legacy(batch, session.session)
        session.change(session.outbox.append_copies, batch, execution_id)
        session.enforce_limits()

    @property
    def _messages(self) -> notices.ServerMessages:
        session = self._session
        known = session.stats.kernel_session or session.kernel.kernel_session
        return notices.ServerMessages(session.session, session.protocol, known)

    def _append(self, journal: _core.Journal, number: int, *, reply: bool) -> None:
        session = self._session
        session.change(_core.append_replay, session.outbox, journal, number, self._voice, reply)
        session.enforce_limits()

    @property
    def _voice(self) -> "_core.Voice":
        session = self._messages.kernel_session or self.session_id
        return session, uuid.uuid4().hex, datetime.now(UTC).isoformat(), notices.NOT_KEPT
