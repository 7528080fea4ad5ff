"""What is known of a session: whose it is, what it may take up, and what has happened to it. Must hold no behaviour."""

from dataclasses import dataclass


@dataclass
class Identity:
    """Whose mailbox it is. ``owner`` is None where the identity provider does not tell users apart."""

    key: str
    kernel_id: str
    owner: str | None = None
    named: bool = False
    """Whether the client chose the session id: only then can it come back for it."""


@dataclass(frozen=True)
class Bounds:
    """What the traits of its connection allow a session, in bytes; 0 is no limit, of the disk it is none."""

    backlog: int = 0
    memory: int = 0
    disk: int = 0
    high_water: int = 0
    server: tuple[int, int] = (0, 0)
    """Memory and disk of all sessions together."""


@dataclass
class SessionStats:
    """What happened to one session so far."""

    resumes: int = 0
    attached_at: float = 0.0
    """In the event loop's seconds."""
    detached_at: float | None = None
    """In the event loop's seconds, None while a client is connected."""
    left: bool = False
    """Whether the client closed its WebSocket by itself, as a page does that is closed; else the connection was lost."""
    requested_at: float = 0.0
    """When the client last asked the kernel for work, in the event loop's seconds."""
    kernel_session: str | None = None
    """``header.session`` of the kernel's messages, once one was seen."""
