"""Which connection holds which session: registration, replacement of a stale one, and closing all.

A session id is a ZMQ identity and must be unique: a second connection with the same key replaces the first, which hands
its channels to buffering at once, so that nothing is lost in between. The registries live on the public class, where other
packages look for them. Must not open or close sockets itself.
"""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..connection import ZMQChannelsWebsocketConnection


def ensure_future(future: "Future[Any]") -> Any:
    """The concurrent future as an asyncio future if a loop runs, else as it is."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return future
    return asyncio.wrap_future(future)


def register(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Takes the session key, replacing a connection that holds it still."""
    connection.session_key = f"{connection.kernel_id}:{connection.session.session}"
    stale = connection._open_sessions.get(connection.session_key)
    if stale is not None and stale is not connection.websocket_handler:
        connection.log.warning("Replacing stale connection: %s", connection.session_key)
        replaced = getattr(stale, "connection", None)
        stale.close()
        if replaced is not None:
            replaced.disconnect()
    if connection.kernel_id in connection.multi_kernel_manager:
        connection._open_sessions[connection.session_key] = connection.websocket_handler


def unregister(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Gives the session key back, if this connection is still its owner."""
    if connection._open_sessions.get(connection.session_key) is connection.websocket_handler:
        connection._open_sessions.pop(connection.session_key)


async def close_all(connections: "list[ZMQChannelsWebsocketConnection]") -> None:
    """Disconnects each and waits until it says that it is closed."""
    for connection in connections:
        connection.disconnect()
        await ensure_future(connection._close_future)
