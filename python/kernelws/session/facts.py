"""Data of a session: its identity and its stats. Must hold no behaviour."""

from dataclasses import dataclass


@dataclass
class Identity:
    """Which session it is, and who owns it."""

    key: str
    """``<kernel id>:<session id>``."""
    kernel_id: str
    owner: str | None = None
    """The user's name; None if the identity provider does not distinguish users."""
    named: bool = False
    """Whether the client chose the session id. Only then can it resume the session."""


@dataclass
class SessionStats:
    """What has happened to one session. Times are in the event loop's seconds."""

    resumes: int = 0
    attached_at: float = 0.0
    detached_at: float | None = None
    """None while a client is connected."""
    page_closed: bool = False
    """Whether the client sent a close frame, as a page does when it is closed; else the connection was lost."""
    requested_at: float = 0.0
    """When the client last sent a request, other than those that a page sends by itself (``ASKS_NO_INPUT``)."""
    kernel_session: str | None = None
    """``header.session`` of the kernel's last message; None before the first."""
    caught_up: int = 0
    """Messages that were waiting when a client connected last."""
    announced: bool = False
    """Whether the page has said that it has the extension of JupyterLab; see ``executions/sessions.py``."""
