"""A raw WebSocket client that loses nothing of what it is sent, and comes back with the session id it had.

What it does: connects as a browser does, reads whole v1 messages, answers pings (or never does), sends requests, leaves in
every way a client can leave, and connects again under the same session id.
What it must not do: reconnect by itself, or judge what it reads.
Strategy: a blocking socket with a time limit a read; every whole frame becomes a `Message`. Parts are parsed only as far as
somebody compares them. Cost: about 10 us a message.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import struct
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple, Self

from kernelws.cli.frames import V1, Json, client_frame, header, masked

if TYPE_CHECKING:
    from kernelws.cli.child import Address

BLOCK = 1 << 20
TIMEOUT = 60.0
CLOSE, PING, PONG = 8, 9, 10
ABNORMAL = 1006
"""No close frame came: the code of RFC 6455 for that."""


class ClosedError(ConnectionError):
    """The server closed the WebSocket, or the connection ended."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code, self.reason = code, reason


class RefusedError(ConnectionError):
    """The server answered the handshake with something else than 101."""


class Message(NamedTuple):
    """One v1 message: its header, the bytes of its parent's header, its content, and its size in bytes."""

    channel: str
    header: Json
    parent: bytes
    content: bytes
    size: int

    @property
    def msg_type(self) -> str:
        """As the header names it."""
        return str(self.header["msg_type"])

    @property
    def msg_id(self) -> str:
        """As the header names it."""
        return str(self.header["msg_id"])


class Client:
    """One session with one kernel, over one WebSocket at a time."""

    def __init__(self, address: Address, kernel_id: str, port: int = 0, pongs: bool = True) -> None:
        """`port` is that of a proxy before the server; `pongs` False never answers a ping."""
        self.address, self.kernel_id, self.pongs = address, kernel_id, pongs
        self.port = port or address.port
        self.session = uuid.uuid4().hex
        self.connections = 0
        self._buffer = bytearray()
        self.sock = socket.socket()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def connect(self) -> None:
        """A new WebSocket with the same session id."""
        self.abandon()
        self._buffer.clear()
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(
            f"GET /api/kernels/{self.kernel_id}/channels?session_id={self.session} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{self.address.port}\r\nAuthorization: token {self.address.token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: Y2hhb3NjaGFvc2NoYW9zYw==\r\nSec-WebSocket-Protocol: {V1}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0] or V1.encode() not in head:
            raise RefusedError(head.partition(b"\r\n")[0].decode(errors="replace"))
        self._buffer[:] = rest
        self.connections += 1

    def abandon(self) -> None:
        """Close the socket without a word to the WebSocket's other end."""
        self.sock.close()

    def leave(self) -> None:
        """A clean close frame, then the socket: what a closed tab does."""
        self.sock.sendall(masked(CLOSE, (1001).to_bytes(2, "big")))
        self.sock.close()

    def send(self, channel: str, msg_type: str, content: Json | None = None) -> str:
        """Send one message and return its msg_id."""
        head = header(msg_type, self.session)
        self.sock.sendall(client_frame(V1, channel, head, content or {}))
        return str(head["msg_id"])

    def read(self, wait: float) -> list[Message]:
        """The messages that come within `wait` seconds, none if nothing does. Raises ConnectionError at the end."""
        if not self._buffer and not select.select([self.sock], [], [], max(0.0, wait))[0]:
            return []
        messages = self._whole_messages()
        if messages or not select.select([self.sock], [], [], max(0.0, wait))[0]:
            return messages
        self._receive()
        return self._whole_messages()

    def prove(self, timeout: float = TIMEOUT) -> list[Message]:
        """A kernel_info round trip, with its reply and its idle: both directions and IOPub work. Returns all that came."""
        asked, replied, idle = self.send("shell", "kernel_info_request").encode(), False, False
        came: list[Message] = []
        deadline = time.monotonic() + timeout
        while not (replied and idle):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {'idle' if replied else 'reply'} to a kernel_info_request")
            for message in self.read(1.0):
                came.append(message)
                if asked in message.parent:
                    replied = replied or message.msg_type == "kernel_info_reply"
                    idle = idle or (message.msg_type == "status" and b"idle" in message.content)
        return came

    def _receive(self) -> None:
        block = self.sock.recv(BLOCK)
        if not block:
            raise ClosedError(ABNORMAL, "the connection ended")
        self._buffer += block

    def _whole_messages(self) -> list[Message]:
        """Takes every whole frame off the buffer; pings are answered on the way, so after what came before them."""
        messages: list[Message] = []
        position = 0
        with memoryview(self._buffer) as view:
            while (frame := _frame(view, position)) is not None:
                opcode, start, position = frame
                if opcode & 8:
                    self._control(opcode, bytes(view[start:position]))
                else:
                    messages.append(_message(view[start:position]))
        del self._buffer[:position]
        return messages

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING and self.pongs:
            self.sock.sendall(masked(PONG, payload))
        elif opcode == CLOSE:
            raise ClosedError(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))


def _frame(view: memoryview, position: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame at `position`; None while it is not whole."""
    left = len(view) - position
    if left < 2:
        return None
    size, start = view[position + 1], position + 2
    extended = {126: 2, 127: 8}.get(size, 0)
    if left < 2 + extended:
        return None
    if extended:
        size = int.from_bytes(view[start : start + extended], "big")
        start += extended
    if not view[position] & 0x80:
        raise ValueError("a fragmented frame: neither class sends any")
    return (view[position] & 15, start, start + size) if start + size <= len(view) else None


def _message(view: memoryview) -> Message:
    """A v1 message: count, offsets (64 bits, little-endian), channel, header, parent header, metadata, content."""
    (count,) = struct.unpack_from("<Q", view)
    at = struct.unpack_from(f"<{count}Q", view, 8)
    parts = [bytes(view[begin:end]) for begin, end in itertools.pairwise(at[:6])]
    channel, head, parent, _, content = parts
    return Message(channel.decode(), json.loads(head), parent, content, len(view))
