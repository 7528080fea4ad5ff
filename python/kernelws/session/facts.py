"""What is known of a session: whose it is, and what has happened to it. Must hold no behaviour."""

from dataclasses import dataclass


@dataclass
class Identity:
    """Whose session it is. ``owner`` is None where the identity provider does not tell users apart."""

    key: str
    kernel_id: str
    owner: str | None = None
    named: bool = False
    """Whether the client chose the session id: only then can it resume the session."""


@dataclass
class SessionStats:
    """What happened to one session so far. Times are the event loop's seconds."""

    resumes: int = 0
    attached_at: float = 0.0
    detached_at: float | None = None
    """None while a client is connected."""
    page_closed: bool = False
    """Whether the client closed its WebSocket by itself, as a page does that is closed; else the connection was lost."""
    requested_at: float = 0.0
    """When the client last asked the kernel for work."""
    kernel_session: str | None = None
    """``header.session`` of the kernel's messages, once one was seen."""
