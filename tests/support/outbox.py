"""What waits for the clients of a kernel, as the outboxes of its sessions say. For tests only."""

from kernelws.session.registry import Registry
from kernelws.session.session import ClientSession


def all_sessions() -> list[ClientSession]:
    """Every session of this process, of whatever server."""
    return [session for registry in Registry.of_process for session in registry.sessions]


def sessions_of(kernel_id: str) -> list[ClientSession]:
    """The sessions of a kernel, connected and detached."""
    return [session for session in all_sessions() if session.identity.kernel_id == kernel_id]


def waiting(kernel_id: str) -> int:
    """Messages that were not written yet, or were written to a WebSocket that is gone."""
    return sum(session.outbox.stats().waiting for session in sessions_of(kernel_id))


def unacknowledged(kernel_id: str) -> int:
    """Bytes that were written and that no client has acknowledged."""
    return sum(session.outbox.unacknowledged() for session in sessions_of(kernel_id))
