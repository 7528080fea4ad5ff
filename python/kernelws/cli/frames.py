"""A client's messages as bytes: headers, JSON, and masked WebSocket frames in both subprotocols.

What it must not do: send anything, or read what a server sends. Strategy: bytes are built here and not by upstream, so that a
frame costs the client next to nothing and can be malformed on purpose. Cost: some microseconds a frame.
"""

from __future__ import annotations

import json
import struct
import uuid
from typing import Any

V1 = "v1.kernel.websocket.jupyter.org"
DATE = "2026-01-01T00:00:00.000000Z"

Json = dict[str, Any]


def dumps(value: Json) -> bytes:
    """JSON as jupyter_client's default packer writes it: separators with spaces, UTF-8."""
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
        return masked(2, _v1(channel, [dumps(head), b"{}", b"{}", dumps(content)]))
    message = {"header": head, "parent_header": {}, "metadata": {}, "content": content}
    return masked(1, dumps({**message, "channel": channel, "buffers": []}))


def _v1(channel: str, parts: list[bytes]) -> bytes:
    """Count, offsets (64 bits, little-endian), channel, parts."""
    offset = 8 * (len(parts) + 3)
    offsets = [offset]
    for part in (channel.encode(), *parts):
        offset += len(part)
        offsets.append(offset)
    table = struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets)
    return b"".join([table, channel.encode(), *parts])


def masked(opcode: int, payload: bytes) -> bytes:
    """A final frame with the mask 0, which is legal and costs the server the same as any other."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload
