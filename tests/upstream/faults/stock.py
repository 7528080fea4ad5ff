"""A stock jupyter_server in this process, without extensions, with one ipykernel and one client of its WebSocket (v1).

The scripts beside it each show one fault of jupyter_server, with nothing but what jupyter_server itself needs, and ipykernel.
Must not import kernelws. Cost: two seconds.
"""

import asyncio
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from jupyter_client.session import Session
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect
from traitlets.config import Config

TOKEN = "the-token"
SECONDS = 20.0
FORGE = """
kernel = get_ipython().kernel
parts = kernel.session.serialize(kernel.session.msg("stream", {"name": "stdout", "text": "forged"}, parent=kernel.get_parent()))
parts[1] = b"0" * len(parts[1])
kernel.iopub_socket.send_multipart([b"stream.stdout", *parts])
"""
"""A cell that publishes a message with a wrong signature, as another program could that reaches the kernel's ports."""

BUSY, IDLE = [("status", {"execution_state": state}) for state in ("busy", "idle")]


class Records(logging.Handler):
    """Keeps the lines of the log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Stock:
    """The server, the id of its kernel, and the client's WebSocket."""

    def __init__(self, app: ServerApp, address: str, log: Records) -> None:
        self.app, self.address, self.log = app, address, log
        self.kernel_id = ""
        self.session = Session(key=b"")
        """Of all cells, because it numbers their ids; and not session "one", whose ids the server's nudges have."""
        self.websocket: WebSocketClientConnection | None = None

    async def connect(self, kernel_id: str = "") -> WebSocketClientConnection:
        """Opens the WebSocket of the kernel, or of another id."""
        url = f"ws://{self.address}/api/kernels/{kernel_id or self.kernel_id}/channels?session_id=one&token={TOKEN}"
        return await websocket_connect(HTTPRequest(url), subprotocols=["v1.kernel.websocket.jupyter.org"])

    async def execute(self, code: str) -> list[tuple[str, Any]]:
        """Runs a cell; returns type and content of all that answers it, up to the kernel's idle."""
        message = self.session.msg("execute_request", {"code": code, "silent": False})
        parts = [json.dumps(message[name], default=str).encode() for name in ("header", "parent_header", "metadata", "content")]
        assert self.websocket is not None
        await self.websocket.write_message(bytes(serialize_msg_to_ws_v1(parts, "shell")), binary=True)
        found: list[tuple[str, Any]] = []
        while IDLE not in found:
            raw = await self.websocket.read_message()
            assert isinstance(raw, bytes), "the WebSocket was closed"
            header, parent, _, content = (json.loads(part) for part in deserialize_msg_from_ws_v1(raw)[1][:4])
            if parent.get("msg_id") == message["header"]["msg_id"]:
                found.append((header["msg_type"], content))
        return found

    async def warm_up(self) -> None:
        """Runs cells until all that answers one arrives. Before the server has subscribed, what a kernel publishes is lost."""
        arrived: list[tuple[str, Any]] = []
        while BUSY not in arrived:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    arrived = await self.execute("pass")


@contextlib.asynccontextmanager
async def running(**traits: Any) -> AsyncIterator[Stock]:
    """Starts server, kernel and client, and ends them. ``traits`` are those of the kernel manager."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config({"IdentityProvider": {"token": TOKEN}, "MappingKernelManager": traits, "ServerApp": {"allow_root": True}})
        app = ServerApp.instance(config=config, open_browser=False, root_dir=folder)
        app.initialize(argv=[], find_extensions=False, new_httpserver=False)
        log = Records()
        app.log.handlers[:] = [log]
        app.log.propagate = False
        http, sockets = HTTPServer(app.web_app), bind_sockets(0, "127.0.0.1")
        http.add_sockets(sockets)
        stock = Stock(app, f"127.0.0.1:{sockets[0].getsockname()[1]}", log)
        kernels: Any = app.kernel_manager
        stock.kernel_id = await kernels.start_kernel(kernel_name="python3")
        stock.websocket = await stock.connect()
        try:
            await stock.warm_up()
            yield stock
        finally:
            stock.websocket.close()
            await kernels.shutdown_all()
            http.stop()


def report(check: Coroutine[Any, Any, str]) -> None:
    """Runs a check, which returns what is wrong. Exits with 1 if something is, and with 0 if nothing is."""

    async def limited() -> str:
        async with asyncio.timeout(2 * SECONDS):
            return await check

    fault = asyncio.run(limited())
    print(f"fault: {fault}" if fault else "as it should be")
    sys.exit(1 if fault else 0)
