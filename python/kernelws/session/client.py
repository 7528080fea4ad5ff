"""``Client``: what a session calls on its client. ``client.link`` implements it. Must hold no behaviour."""

from typing import Protocol

from jupyter_client.session import Session


class Client(Protocol):
    """The client of a session. ``ClientSession.attach`` sets it, ``detach`` clears it."""

    @property
    def round_trip(self) -> float | None:
        """Seconds between the last answered ping and its pong."""

    @property
    def silent(self) -> bool:
        """Whether the client answers no pings."""

    def wake(self) -> None:
        """Writes messages from the outbox, if any are due."""

    def moved(self, session: Session) -> None:
        """The kernel has a new address. ``session`` has its key and scheme, which may have changed."""

    def end(self, code: int, reason: str) -> None:
        """Closes the WebSocket because the session has ended, and does not keep the session."""
