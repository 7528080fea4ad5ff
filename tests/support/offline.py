"""A connection without a network: a real handler of a real server whose ``write_message`` is recorded.

For tests of a single method call. Must not be used where a WebSocket matters. Cost: negligible.
"""

from typing import Any
from unittest.mock import MagicMock

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.websocket import WebSocketProtocol13

import kernelws
from tests.support.client import V1, Message
from tests.support.server import Server


class Offline:
    """``connection`` and what it wrote."""

    def __init__(self, server: Server, kernel_id: str, protocol: str = "v1", cls: Any = None, **traits: Any) -> None:
        start_line = RequestStartLine("GET", f"/api/kernels/{kernel_id}/channels?token=secret", "HTTP/1.1")
        headers = HTTPHeaders({"Host": "localhost"})
        request = HTTPServerRequest(start_line=start_line, headers=headers, connection=MagicMock())
        self.handler = KernelWebsocketHandler(server.app.web_app, request)
        self.websocket = MagicMock(spec=WebSocketProtocol13)
        self.websocket.selected_subprotocol = V1 if protocol == "v1" else None
        self.websocket.is_closing.return_value = False
        self.handler.ws_connection = self.websocket
        self.written: list[str | bytes] = []
        self.protocol = protocol
        self.websocket.write_message.side_effect = lambda message, binary: self.written.append(message)
        cls = cls or kernelws.ZMQChannelsWebsocketConnection
        self.connection: Any = cls(
            parent=server.kernels.get_kernel(kernel_id),
            websocket_handler=self.handler,
            config=server.app.web_app.settings["config"],
            **traits,
        )
        self.handler.connection = self.connection

    @property
    def messages(self) -> list[Message]:
        """What was written, as a client reads it."""
        return [Message(raw, self.protocol, self.connection.session.unpack) for raw in self.written]
