"""What is set on one WebSocket when it opens: TCP_NODELAY, the largest message from the client, room to read it, and a look at
who closes it.

On this handler's ``ws_connection`` alone: application settings are shared with terminals and others.
"""

from typing import Any, Protocol

from tornado.websocket import WebSocketProtocol13

MESSAGE_TOO_BIG = 1009
LEAVING = (None, 1000, 1001)
"""Close codes of a client that wants to go: JupyterLab sends none, a page that is closed 1001 (RFC 6455, 7.4.1)."""
FRAMING = 1 << 20
"""Bytes that are read beyond a message: its head, and what has come behind it."""


class Owner(Protocol):
    """Who the WebSocket belongs to."""

    def client_closes(self, *, page_closed: bool) -> None:
        """A close frame of the client has come; ``page_closed``: as of a page that is closed."""

    def too_big(self, reason: str) -> None:
        """A message of the client was too big and ends the connection."""


def configure(handler: Any, limit: int, owner: Owner) -> None:
    """Sets them, where there is a WebSocket of tornado's. ``limit``: bytes of a message from the client."""
    websocket: Any = handler.ws_connection
    if websocket is None:
        return
    handler.set_nodelay(True)
    if type(websocket) is WebSocketProtocol13:
        websocket.params.max_message_size = limit
        # Tornado ends a connection without a word when what it has read is more than this: 100 MiB on Kernel Gateway
        websocket.stream.max_buffer_size = max(websocket.stream.max_buffer_size, limit + FRAMING)
        _intercept_close(websocket, limit, owner)


def _intercept_close(websocket: Any, limit: int, owner: Owner) -> None:
    """Tornado calls this to answer a client's close frame, and when it closes with 1009 by itself.

    Its own reason does not help the person whose notebook is too large. Of a close frame nothing else tells afterwards: a
    connection that was lost sets ``client_terminated`` too, but both flags before it closes.
    """
    close = websocket.close

    def close_with_reason(code: int | None = None, reason: str | None = None) -> None:
        if websocket.client_terminated and not websocket.server_terminated:
            owner.client_closes(page_closed=code in LEAVING)
        if code == MESSAGE_TOO_BIG:
            reason = f"message too big: over {limit} bytes, see ZMQChannelsWebsocketConnection.max_message_size"
            owner.too_big(reason)
        close(code, reason)

    websocket.close = close_with_reason
