"""Sets up one WebSocket when it opens: TCP_NODELAY, the maximum message size, the read buffer, and how it closes.

Also finds out which of its methods are overridden.

Must not change application settings, which terminals share: everything is set on this handler's ``ws_connection``.
Cost: one call when a WebSocket opens.
"""

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

if TYPE_CHECKING:
    from .hooks import Hooks

MESSAGE_TOO_BIG = 1009
LEAVING = (None, 1000, 1001)
"""Close codes of a client that leaves on purpose: JupyterLab sends none, a browser 1001 for a closed page (RFC 6455, 7.4.1)."""
FRAMING = 1 << 20
"""Bytes of the read buffer in addition to one message: for its frame header, and for bytes that follow it."""
READ_AT_ONCE = 1 << 14
"""Bytes that tornado reads at a time at most. It clears a new buffer of this size for each read, and most reads are of a pong:
with its 64 KiB each would displace an eighth of what a second-level cache of 512 KiB holds."""
DISCARDED_AT_ONCE = 1 << 16
"""Bytes that are read and thrown away at a time, of a message that is too big."""


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
        websocket.stream.read_chunk_size = min(websocket.stream.read_chunk_size, READ_AT_ONCE)
        _intercept_close(websocket, limit, owner)


def _intercept_close(websocket: Any, limit: int, owner: Owner) -> None:
    """Wraps the WebSocket's ``close``, which tornado calls to answer a client's close frame and to close with 1009 by itself.

    The wrapper notes whether the client has sent a close frame: ``client_terminated`` is set and ``server_terminated`` is not.
    Later this cannot be found out: both are set, as after a lost connection. For 1009 the wrapper replaces tornado's reason
    with one that names the setting.
    """
    close = websocket.close

    def close_with_reason(code: int | None = None, reason: str | None = None) -> None:
        if websocket.client_terminated and not websocket.server_terminated:
            owner.client_closes(page_closed=code in LEAVING)
        if code == MESSAGE_TOO_BIG:
            reason = f"message too big: over {limit} bytes, see ZMQChannelsWebsocketConnection.max_message_size"
            owner.too_big(reason)
        close(code, reason)
        if code == MESSAGE_TOO_BIG:
            websocket._abort = lambda: _end_when_read(websocket)

    websocket.close = close_with_reason


def _end_when_read(websocket: Any) -> None:
    """Replaces tornado's ``_abort`` after a message that is too big: the socket stays open until the client has closed it.

    Closing a socket with unread input resets the connection, and a client that is still sending never sees the close frame. So
    the rest of the message is read and thrown away, for at most 5 s: then the timer that tornado's ``close`` has set calls the
    original ``_abort``.
    """
    if not websocket.client_terminated:  # tornado calls it a second time when its loop over frames has ended
        websocket.client_terminated = True
        websocket.stream.io_loop.spawn_callback(_discard, websocket.stream)


async def _discard(stream: Any) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await stream.read_bytes(DISCARDED_AT_ONCE, partial=True)


def writes_frames(hooks: "Hooks", base: type) -> bool:
    """Whether ``write_message`` may be bypassed: it is not overridden anywhere, and the WebSocket does not compress."""
    websocket = getattr(hooks.websocket_handler, "ws_connection", None)
    plain = websocket is not None and not _wrapped(websocket) and websocket._compressor is None
    return plain and not _overrides_write_message(hooks, base)


def _wrapped(websocket: Any) -> bool:
    """Whether this is not tornado's own WebSocket, or its ``write_message`` was replaced."""
    return type(websocket) is not WebSocketProtocol13 or "write_message" in vars(websocket)


def _overrides_write_message(hooks: "Hooks", base: type) -> bool:
    handler: Any = hooks.websocket_handler
    return (
        type(hooks).write_message is not base.write_message  # type: ignore[attr-defined]
        or "write_message" in vars(handler)
        or getattr(type(handler), "write_message", None) is not WebSocketHandler.write_message
    )


def overrides_messages(hooks: "Hooks", base: type) -> bool:
    """Whether the connection or its handler overrides a method that every message passes, in either direction."""
    handler: Any = hooks.websocket_handler
    websocket = getattr(handler, "ws_connection", None)
    return (
        _overrides_write_message(hooks, base)
        or (websocket is not None and _wrapped(websocket))
        or getattr(type(hooks), "handle_incoming_message", None) is not base.handle_incoming_message  # type: ignore[attr-defined]
        or "handle_incoming_message" in vars(hooks)
        or "on_message" in vars(handler)
        or getattr(type(handler), "on_message", None) is not KernelWebsocketHandler.on_message
    )
