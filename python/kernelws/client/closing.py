"""The end of a connection: how the server closes its WebSocket, and what becomes of its session, kept or freed.

Kept are sessions whose client named the session id, of a kernel that is still there, while ``buffer_offline_messages`` is
on. Must not raise: it runs when a WebSocket closes, and again when something else has closed already.
"""

from typing import TYPE_CHECKING

from ..kernel import restarts
from ..session import lending as buffers
from ..session import registry as sessions

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

INTERNAL_ERROR = 1011
"""RFC 6455, 7.4.1: the server met a condition that prevents it from fulfilling the request."""
TRY_AGAIN_LATER = 1013


def close(connection: "ZMQChannelsWebsocketConnection", code: int, reason: str, *, keep: bool = True) -> None:
    """Closes the WebSocket, whose frame holds a reason of 123 bytes at most, and ends the connection.

    ``keep`` False: and its session, for which no other one gives way.
    """
    if not keep and connection.mailbox is not None:
        connection.mailbox.identity.named = False
    connection.websocket_handler.close(code, reason.encode()[:123].decode(errors="ignore"))
    connection.disconnect()


def cannot_open(connection: "ZMQChannelsWebsocketConnection", error: Exception) -> None:
    """Ends a connection whose channels cannot be opened; of a kernel that was shut down that is no error."""
    if connection.kernel_id in connection.multi_kernel_manager:
        connection.log.error("Error opening stream: %s", error)
    close(connection, INTERNAL_ERROR, f"The kernel's channels cannot be opened: {error}")


def leave_session(connection: "ZMQChannelsWebsocketConnection", *, counted: bool) -> None:
    """Takes the connection out of its session; ``counted``: it was a connection that the kernel manager counts."""
    connection.waiting_room.clear()
    connection.delivery.stop(heard=connection.client_heard)
    mailbox, connection.mailbox = connection.mailbox, None
    channels, connection.channels = connection.channels, {}
    manager = connection.multi_kernel_manager
    if mailbox is None or mailbox.delivery is not None:
        if mailbox is None:
            buffers.close_channels(channels)
        return
    connection.heard(mailbox.tally.kernel_session)
    mailbox.tally.left = connection.client_left
    alive = connection.kernel_id in manager
    if counted and alive and mailbox.identity.named and manager.buffer_offline_messages:
        mailbox.too_full = lambda: sessions.end_overfull(mailbox)
        mailbox.broken = lambda: sessions.end_failed(mailbox)
        mailbox.way_changed = lambda: None  # it holds the connection
        mailbox.on_attach = restarts.watch_detached(manager, connection.feed, mailbox)
        sessions.keep(connection, mailbox)
        buffers.lend_to_manager(connection, channels)
    else:
        sessions.end(mailbox)
