"""Asks a running kernel for 1 + 1 over a WebSocket, in each subprotocol.

scripts/check_wheel.py runs it inside the environment that it checks. It must not import kernelws: it is a client.
Cost: a moment; it ends with an error after LIMIT_SECONDS without the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

V1 = "v1.kernel.websocket.jupyter.org"
LIMIT_SECONDS = 60


def execute_request() -> dict[str, Any]:
    """The messaging specification's smallest request that has a result."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3", "session": uuid.uuid4().hex}
    header |= {"username": "wheel", "date": "2026-01-01T00:00:00Z"}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": {"code": "1 + 1"}}


def encode(request: dict[str, Any], subprotocol: str | None) -> str | bytes:
    """As a client sends it."""
    if subprotocol is None:
        return json.dumps(request | {"channel": "shell", "buffers": []})
    parts = [json.dumps(part).encode() for part in request.values()]
    frame: bytes = serialize_msg_to_ws_v1(parts, "shell")
    return frame


def decode(frame: str | bytes) -> dict[str, Any]:
    """Header, parent_header, metadata and content of what the server sends."""
    if isinstance(frame, str):
        message: dict[str, Any] = json.loads(frame)
        return message
    _channel, parts = deserialize_msg_from_ws_v1(frame)
    return dict(zip(("header", "parent_header", "metadata", "content"), map(json.loads, parts[:4]), strict=True))


async def result(socket: WebSocketClientConnection, request: dict[str, Any]) -> str:
    """The text of the execute_result that answers ``request``."""
    while (frame := await socket.read_message()) is not None:
        message = decode(frame)
        parent = message["parent_header"].get("msg_id")
        if message["header"]["msg_type"] == "execute_result" and parent == request["header"]["msg_id"]:
            return str(message["content"]["data"]["text/plain"])
    raise SystemExit("the server closed the WebSocket before the result came")


async def ask(url: str, token: str, subprotocol: str | None) -> str:
    """One WebSocket, one question."""
    connect = HTTPRequest(url, headers={"Authorization": f"token {token}"})
    socket = await websocket_connect(connect, subprotocols=[subprotocol] if subprotocol else None)
    if socket.selected_subprotocol != subprotocol:
        raise SystemExit(f"asked for {subprotocol}, the server chose {socket.selected_subprotocol}")
    request = execute_request()
    await socket.write_message(encode(request, subprotocol), binary=subprotocol is not None)
    try:
        return await asyncio.wait_for(result(socket, request), LIMIT_SECONDS)
    finally:
        socket.close()


async def main(address: str, token: str, kernel: str) -> int:
    """Both subprotocols, one after the other."""
    for subprotocol in (V1, None):
        url = f"{address.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
        answer = await ask(url, token, subprotocol)
        print(f"{subprotocol or 'legacy'}: 1 + 1 is {answer}")
        if answer != "2":
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))
