"""What is set on one WebSocket when it opens: TCP_NODELAY, the largest message from the client, room to read it, and a look at
who closes it.

On this handler's ``ws_connection`` alone: application settings are shared with terminals and others.
"""

from typing import TYPE_CHECKING, Any

from tornado.websocket import WebSocketProtocol13

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection

MESSAGE_TOO_BIG = 1009
GOING = (None, 1000, 1001)
"""Close codes of a client that wants to go: JupyterLab sends none, a page that is closed 1001 (RFC 6455, 7.4.1)."""
FRAMING = 1 << 20
"""Bytes that are read beyond a message: its head, and what has come behind it."""


def set_on_websocket(connection: "ZMQChannelsWebsocketConnection") -> None:
    """Sets them, where there is a WebSocket of tornado's."""
    websocket: Any = connection.websocket_handler.ws_connection
    if websocket is None:
        return
    connection.websocket_handler.set_nodelay(True)
    if type(websocket) is WebSocketProtocol13:
        websocket.params.max_message_size = connection.max_message_size
        # Tornado ends a connection without a word when what it has read is more than this: 100 MiB on Kernel Gateway
        websocket.stream.max_buffer_size = max(websocket.stream.max_buffer_size, connection.max_message_size + FRAMING)
        _look_at_closing(connection, websocket)


def _look_at_closing(connection: "ZMQChannelsWebsocketConnection", websocket: Any) -> None:
    """Tornado calls this to answer a client's close frame, and when it closes with 1009 by itself.

    Its own reason does not help the person whose notebook is too large. Of a close frame nothing else tells afterwards: a
    connection that was lost sets ``client_terminated`` too, but both flags before it closes.
    """
    close = websocket.close

    def close_with_reason(code: int | None = None, reason: str | None = None) -> None:
        if websocket.client_terminated and not websocket.server_terminated:
            connection.client_left = code in GOING
            connection.client_heard = connection.delivery.has_left()
        if code == MESSAGE_TOO_BIG:
            limit = connection.max_message_size
            reason = f"message too big: over {limit} bytes, see ZMQChannelsWebsocketConnection.max_message_size"
            connection.complaints.add("client", "too_big", reason, what="")
        close(code, reason)

    websocket.close = close_with_reason
