"""Sets up one WebSocket when it opens: TCP_NODELAY, the maximum message size, the read buffer, and a wrapper of ``close``.

Must not change application settings, which terminals share: everything is set on this handler's ``ws_connection``.
Cost: one call when a WebSocket opens.
"""

from typing import Any, Protocol

from tornado.websocket import WebSocketProtocol13

MESSAGE_TOO_BIG = 1009
LEAVING = (None, 1000, 1001)
"""Close codes of a client that leaves on purpose: JupyterLab sends none, a browser 1001 for a closed page (RFC 6455, 7.4.1)."""
FRAMING = 1 << 20
"""Bytes of the read buffer in addition to one message: for its frame header, and for bytes that follow it."""


class Owner(Protocol):
    """The link, as its WebSocket sees it."""

    def client_closes(self, *, page_closed: bool) -> None:
        """The client has sent a close frame. ``page_closed``: with a code of ``LEAVING``."""

    def too_big(self, reason: str) -> None:
        """The client has sent a message that is too big, and its WebSocket is being closed."""


def configure(handler: Any, limit: int, owner: Owner) -> None:
    """Sets up the handler's WebSocket, if it is tornado's own. ``limit``: maximum bytes of a message from the client."""
    websocket: Any = handler.ws_connection
    if websocket is None:
        return
    handler.set_nodelay(True)
    if type(websocket) is WebSocketProtocol13:
        websocket.params.max_message_size = limit
        # Tornado closes a connection without a log line if a message exceeds this buffer (100 MiB on Kernel Gateway)
        websocket.stream.max_buffer_size = max(websocket.stream.max_buffer_size, limit + FRAMING)
        _intercept_close(websocket, limit, owner)


def _intercept_close(websocket: Any, limit: int, owner: Owner) -> None:
    """Wraps the WebSocket's ``close``, which tornado calls to answer a client's close frame and to close with 1009 by itself.

    The wrapper notes a client's close frame, which cannot be recognised later: a lost connection sets ``client_terminated``
    too. At this point only a close frame has set it without ``server_terminated``. For 1009 it replaces tornado's reason with
    one that names the setting.
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
