"""Encodes a client's messages: headers, JSON, and masked WebSocket frames in both subprotocols.

Must not send anything, or read a server's frames. Upstream's function encodes v1; WebSocket frames are built here, so that
they can be malformed on purpose. Cost: some microseconds a frame.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

V1 = "v1.kernel.websocket.jupyter.org"
DATE = "2026-01-01T00:00:00.000000Z"

Json = dict[str, Any]


def dumps(value: Json) -> bytes:
    """JSON as jupyter_client's default packer writes it: UTF-8, with spaces after separators."""
    return json.dumps(value, ensure_ascii=False).encode()


def header(msg_type: str, session: str, msg_id: str | None = None) -> Json:
    """A header of protocol 5.4."""
    return {
        "msg_id": msg_id or f"{session}_{uuid.uuid4().hex}",
        "msg_type": msg_type,
        "username": "bench",
        "session": session,
        "date": DATE,
        "version": "5.4",
    }


def client_frame(protocol: str, channel: str, head: Json, content: Json) -> bytes:
    """A client's message as one masked WebSocket frame of the given subprotocol ("" is legacy)."""
    if protocol == V1:
        return masked(2, serialize_msg_to_ws_v1([dumps(head), b"{}", b"{}", dumps(content)], channel))
    message = {"header": head, "parent_header": {}, "metadata": {}, "content": content}
    return masked(1, dumps({**message, "channel": channel, "buffers": []}))


def masked(opcode: int, payload: bytes) -> bytes:
    """A final frame with the mask 0, which is valid and costs the server as much as another mask."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload
