"""What waits for the clients of a kernel, as the outboxes of its sessions say. For tests only."""

from kernelws.session.registry import mailboxes_of


def waiting(kernel_id: str) -> int:
    """Messages that were not written yet, or were written to a WebSocket that is gone."""
    return sum(mailbox.outbox.stats().waiting for mailbox in mailboxes_of(kernel_id))


def unacknowledged(kernel_id: str) -> int:
    """Bytes that were written and that no client has acknowledged."""
    return sum(mailbox.outbox.unacknowledged() for mailbox in mailboxes_of(kernel_id))
