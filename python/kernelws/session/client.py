"""The client of a session, as the session sees it. Declared here, implemented by ``client.link``. Must hold no behaviour."""

from typing import Protocol

from jupyter_client.session import Session


class Client(Protocol):
    """The client of a session, as the session sees it: bound by ``attach``, cleared by ``detach``."""

    @property
    def round_trip(self) -> float | None:
        """Seconds between the last answered ping and its pong."""

    @property
    def silent(self) -> bool:
        """Whether it answers no pings."""

    def wake(self) -> None:
        """Something may leave the outbox."""

    def moved(self, session: Session) -> None:
        """The kernel runs elsewhere, perhaps under another key: that of this Session."""

    def end(self, code: int, reason: str) -> None:
        """The session is over: closes the WebSocket."""
