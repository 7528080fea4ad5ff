"""Encodes a kernel's messages: signed parts, ZMTP frames, and whole floods of numbered messages.

Must not send anything, or be called during a measurement. A flood is made from one template, in which the number and the
signature change; each message has its own msg_id and signature, because servers check for replays.
Cost: about 4 us and 600 bytes of memory a message.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..frames import Json, dumps, header

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITER = b"<IDS|MSG>"
CHUNK = 1 << 18
FLOOD = "flood"
"""The code of a request for which the benchmark's kernel sends no idle; the flood that follows ends with one."""


def sign(key: bytes, parts: list[bytes]) -> bytes:
    """The hex HMAC-SHA256 of header, parent header, metadata and content."""
    return hmac.digest(key, b"".join(parts), "sha256").hex().encode()


def signed(key: bytes, head: Json, parent: Json, content: Json) -> list[bytes]:
    """Delimiter, signature and the four parts, ready for `send_multipart`."""
    parts = [dumps(head), dumps(parent), b"{}", dumps(content)]
    return [DELIMITER, sign(key, parts), *parts]


def zmtp(parts: list[bytes]) -> bytes:
    """A multipart message as ZMTP 3.0 frames: flags (1 = more, 2 = long), size, body."""
    last = len(parts) - 1
    return b"".join(zmtp_head(len(part), number < last) + part for number, part in enumerate(parts))


def zmtp_head(size: int, more: bool) -> bytes:
    """The head of one ZMTP frame."""
    if size < 256:
        return bytes((int(more), size))
    return bytes((int(more) | 2,)) + size.to_bytes(8, "big")


@dataclass(frozen=True)
class FloodSpec:
    """The parameters of a flood: `count` numbered messages with `size` bytes of text or of buffer.

    `end` is the msg_id of the last message, an idle; `parent` that of the request that the flood answers. Messages are joined
    into writes of about `chunk` bytes.
    """

    count: int
    size: int
    binary: bool
    end: str
    parent: str | None = None
    chunk: int = CHUNK


def flood(key: bytes, session: str, spec: FloodSpec) -> list[bytes]:
    """The flood as byte strings to send in order: busy, the numbered messages, and idle."""
    parent = header("execute_request", session, spec.parent)
    numbered = _displays if spec.binary else _streams
    first = _status(key, session, parent, "busy", None)
    last = _status(key, session, parent, "idle", spec.end)
    return [first, *numbered(key, session, parent, spec), last]


def _status(key: bytes, session: str, parent: Json, state: str, msg_id: str | None) -> bytes:
    head = header("status", session, msg_id)
    return zmtp([b"status", *signed(key, head, parent, {"execution_state": state})])


def _streams(key: bytes, session: str, parent: Json, spec: FloodSpec) -> Iterator[bytes]:
    """Stream messages of `size` bytes of text, joined into chunks."""
    unique = uuid.uuid4().hex
    before, after = dumps(header("stream", session, "@@")).split(b"@@")
    parent_json = dumps(parent)
    fill = b"x" * (spec.size - 10)
    pending: list[bytes] = []
    pending_size = 0
    for number in range(spec.count):
        head = b"%s%s_%d%s" % (before, unique.encode(), number, after)
        content = b'{"name": "stdout", "text": "#%07d#%s\\n"}' % (number, fill)
        signature = sign(key, [head, parent_json, b"{}", content])
        parts = [b"stream.stdout", DELIMITER, signature, head, parent_json, b"{}", content]
        pending.append(zmtp(parts))
        pending_size += len(pending[-1])
        if pending_size > spec.chunk:
            yield b"".join(pending)
            pending, pending_size = [], 0
    yield b"".join(pending)


def _displays(key: bytes, session: str, parent: Json, spec: FloodSpec) -> Iterator[bytes]:
    """comm messages with one buffer each. All share one buffer object."""
    buffer = b"\xa5" * spec.size
    for number in range(spec.count):
        content = {"comm_id": "bench", "data": {"number": f"#{number:07d}#"}}
        parts = [b"comm", *signed(key, header("comm_msg", session), parent, content)]
        frames = [zmtp_head(len(part), True) + part for part in parts]
        yield b"".join(frames) + zmtp_head(spec.size, False)
        yield buffer
