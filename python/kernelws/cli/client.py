"""A fast, blocking WebSocket client of a kernel, for doctor and the benchmarks. It does not decode messages.

Connects like a browser, sends requests, receives frames, answers pings, disconnects in several ways and reconnects with its
session id. While recording, it keeps a flood as bytes, so that messages are counted after the measurement.
Must not parse JSON, reconnect by itself, or be slower than the server. Reads large blocks, and steps from one frame's head to
the next. The tests have another client, which shares an event loop with the server.
Cost: about 0.3 us a frame; only the beginning of a large frame is kept.
"""

from __future__ import annotations

import re
import select
import selectors
import socket
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Self

from .child import LOOPBACK
from .frames import V1, Json, client_frame, header, masked

if TYPE_CHECKING:
    from .child import Address

NUMBER = rb"#(\d{7})#"
BLOCK = 1 << 20
KEPT = 1 << 17
"""Bytes of a frame that are kept; more than a merged message has."""
TIMEOUT = 60.0
FINAL = 0x80
CONTROL = CLOSE = 8
PING, PONG = 9, 10
ABNORMAL = 1006
"""RFC 6455's code for a connection that ended without a close frame."""


class ClosedError(ConnectionError):
    """The server closed the WebSocket, or the connection ended without a close frame (code `ABNORMAL`)."""

    def __init__(self, code: int, reason: str = "") -> None:
        what = "the server closed the connection" if code == ABNORMAL else f"the server closed the WebSocket with {code} {reason}"
        super().__init__(what.rstrip())
        self.code, self.reason = code, reason


class Client:
    """One session with one kernel, in one subprotocol ("" is legacy), over one WebSocket at a time.

    `timeout` is the limit for each wait, in seconds. Of a large frame at least the first `kept` bytes are kept. `port` is the
    port of a proxy, if not the server's. `pongs=False` answers no pings.
    """

    def __init__(
        self,
        server: Address,
        kernel_id: str,
        protocol: str = V1,
        timeout: float = TIMEOUT,
        kept: int = KEPT,
        *,
        port: int = 0,
        pongs: bool = True,
    ) -> None:
        self.protocol, self.pongs = protocol, pongs
        self.session = uuid.uuid4().hex
        self.inbox: deque[bytes] = deque()
        self.recording = False
        self.recorded: list[bytes] = []
        self._rest = b""
        self._skip = 0
        self._block = bytearray(BLOCK)
        self._timeout = timeout
        self._kept = kept
        self._server, self._kernel_id, self._port = server, kernel_id, port or server.port
        self.sock = socket.socket()
        self.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def connect(self) -> None:
        """Opens a WebSocket with this client's session id, after closing the old socket without a close frame. Raises OSError."""
        self.abandon()
        self._rest, self._skip = b"", 0
        self.sock = socket.create_connection((LOOPBACK, self._port), timeout=self._timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upgrade()

    def close(self, code: int = 1000) -> None:
        """Sends a close frame and closes the socket. A browser sends 1001 when a tab is closed."""
        self.sock.sendall(masked(CLOSE, code.to_bytes(2, "big")))
        self.sock.close()

    def abandon(self) -> None:
        """Closes the socket without a close frame."""
        self.sock.close()

    def _upgrade(self) -> None:
        offered = f"Sec-WebSocket-Protocol: {self.protocol}\r\n" if self.protocol else ""
        self.sock.sendall(
            f"GET /api/kernels/{self._kernel_id}/channels?session_id={self.session} HTTP/1.1\r\n"
            f"Host: {LOOPBACK}:{self._server.port}\r\nAuthorization: token {self._server.token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: YmVuY2hiZW5jaGJlbmNoYg==\r\n{offered}\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.sock.recv(BLOCK)
            if not more:
                raise ConnectionError("the server closed the connection during the handshake")
            answer += more
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head or (b"v1.kernel" in head) != (self.protocol == V1):
            raise ConnectionError(head.decode(errors="replace"))
        self._walk(rest)

    def send(self, channel: str, msg_type: str, content: Json | None = None) -> bytes:
        """Sends a message; returns its msg_id as bytes, to find its replies with."""
        head = header(msg_type, self.session)
        self.sock.sendall(client_frame(self.protocol, channel, head, content or {}))
        return str(head["msg_id"]).encode()

    def ask(self, channel: str = "shell") -> bytes:
        """Sends a kernel_info_request and returns the reply."""
        msg_id = self.send(channel, "kernel_info_request")
        return self.wait_for(msg_id, b"kernel_info_reply")

    def wait_for(self, *needles: bytes) -> bytes:
        """The first message that contains all needles. Drops earlier messages. Raises TimeoutError."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            while self.inbox:
                payload = self.inbox.popleft()
                if all(needle in payload for needle in needles):
                    return payload
            self.receive()
        raise TimeoutError(f"no message with {needles!r}")

    def messages(self, wait: float) -> list[bytes]:
        """The messages that were received, or arrive within `wait` seconds. Raises ClosedError when the connection ends."""
        if not self.inbox and select.select([self.sock], [], [], max(0.0, wait))[0]:
            self.receive()
        came = list(self.inbox)
        self.inbox.clear()
        return came

    def receive(self) -> int:
        """Waits for data on the socket, reads it and handles its frames. Returns the number of bytes."""
        size = self.sock.recv_into(self._block)
        if not size:
            raise ClosedError(ABNORMAL)
        skipped = min(self._skip, size)
        self._skip -= skipped
        if skipped < size:
            self._walk(self._rest + self._block[skipped:size])
        return size

    def _walk(self, data: bytes) -> None:
        """Handles all whole frames of `data`; keeps the rest for the next call."""
        position = kept = self._step(data) if self.recording else 0
        end = len(data)
        while end - position >= 2:
            size = data[position + 1]
            start = position + 2
            if size == 126:
                start += 2
                size = int.from_bytes(data[start - 2 : start], "big")
            elif size == 127:
                start += 8
                size = int.from_bytes(data[start - 8 : start], "big")
            stop = start + size
            if stop > end and end - start <= self._kept:
                break
            kept = stop if stop <= end else start + self._kept
            if not self.recording or data[position] & CONTROL:
                self._take(data[position], bytes(data[start:kept]))
            self._skip = max(0, stop - end)
            position = min(stop, end)
        if self.recording and kept:
            self.recorded.append(data[:kept])
        self._rest = bytes(data[position:])

    def _step(self, data: bytes) -> int:
        """Steps over ordinary frames: whole data frames whose size has 16 bits. Returns where the first other frame begins.

        Most frames of a flood are ordinary, so a separate loop for them is fast.
        """
        position, last = 0, len(data) - 4
        while position <= last and data[position + 1] == 126 and not data[position] & CONTROL:
            stop = position + 4 + (data[position + 2] << 8 | data[position + 3])
            if stop > len(data):
                break
            position = stop
        return position

    def _take(self, first: int, payload: bytes) -> None:
        """Handles one frame: answers a ping, raises ClosedError for a close, keeps a message."""
        opcode = first & 15
        if not first & FINAL:
            raise ValueError("a fragmented frame: neither connection class sends any")
        if opcode == PING:
            if self.pongs:
                self.sock.sendall(masked(PONG, payload))
        elif opcode == CLOSE:
            raise ClosedError(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))
        elif not opcode & CONTROL and not self.recording:
            self.inbox.append(payload)

    def record(self) -> None:
        """Starts recording: keeps received bytes instead of messages."""
        self.inbox.clear()
        self.recorded.clear()
        self.recording = True

    def numbers(self) -> list[int]:
        """Stops recording; returns the numbers of the messages since `record`, in the order of arrival."""
        recorded = b"".join(self.recorded)
        self.recorded.clear()
        self.recording = False
        return [int(number) for number in re.findall(NUMBER, recorded)]

    def saw(self, end: bytes) -> bool:
        """Receives once while recording; returns whether `end` arrived."""
        before = len(self.recorded)
        self.receive()
        return any(end in chunk for chunk in self.recorded[before:])


def collect(clients: list[Client], end: bytes, timeout: float = 300.0) -> float:
    """Reads recording clients until `end` has arrived at each; returns the time (perf_counter). Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        while selector.get_map():
            for key, _ in selector.select(1.0):
                if key.data.saw(end):
                    selector.unregister(key.fileobj)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(selector.get_map())} clients did not see the end")
    return time.perf_counter()
