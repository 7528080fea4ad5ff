"""The publishing side of IOPub as a plain TCP server that speaks ZMTP 3.0 (NULL mechanism).

What it does: accepts subscribers, greets the first subscription with `iopub_welcome` (of
further ones to the same topic libzmq's XPUB says nothing), and sends bytes that are already framed.
What it must not do: drop. libzmq's XPUB drops at its high-water mark; here a subscriber that does
not read holds its own bytes back, as a kernel with SNDHWM 0 would. So what is lost, the server lost.
Strategy: pre-framed bytes from a memoryview straight into the socket, because the send path of
libzmq under Python takes 5 to 8 us a message: more than the server that is to be measured.
Cost: one system call for some hundred messages; far above a million small messages a second.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY_BODY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04XPUB"
READY = bytes((4, len(READY_BODY))) + READY_BODY
COMMAND, LONG = 4, 2


class Subscriber:
    """One connected SUB socket: an ordered backlog in front of a non-blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self.backlog: deque[memoryview] = deque()
        self.empty = asyncio.Event()
        self.empty.set()

    def write(self, chunks: Iterable[bytes]) -> None:
        """Send in order; what the socket does not take now follows when it can."""
        idle = not self.backlog
        self.backlog.extend(memoryview(chunk) for chunk in chunks)
        if idle and self.backlog:
            self.empty.clear()
            self.loop.add_writer(self.sock, self._flush)
            self._flush()

    def clear(self) -> None:
        """Forget the chunks that were not begun (chunks of a small flood hold whole messages)."""
        while len(self.backlog) > 1:
            self.backlog.pop()

    def _flush(self) -> None:
        try:
            self._send_backlog()
        except BlockingIOError:
            return
        except OSError:
            self.backlog.clear()
        self.loop.remove_writer(self.sock)
        self.empty.set()

    def _send_backlog(self) -> None:
        while self.backlog:
            chunk = self.backlog[0]
            sent = self.sock.send(chunk)
            if sent == len(chunk):
                self.backlog.popleft()
            else:
                self.backlog[0] = chunk[sent:]

    def close(self) -> None:
        """Detach from the loop first: a closed descriptor's number may be given out again."""
        self.backlog.clear()
        self.empty.set()
        self.loop.remove_writer(self.sock)
        self.sock.close()


class Publisher:
    """All subscribers of one kernel's IOPub port."""

    def __init__(self, ip: str, port: int, welcome: Callable[[], bytes]) -> None:
        self.welcome = welcome
        self.subscribers: set[Subscriber] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.create_server((ip, port), backlog=256)
        self._listener.setblocking(False)

    async def serve(self) -> None:
        """Accept subscribers until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._listener)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(self._serve_one(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def publish(self, chunks: list[bytes]) -> None:
        """Give every subscriber the same bytes."""
        for subscriber in self.subscribers:
            subscriber.write(chunks)

    async def drained(self) -> None:
        """Wait until every subscriber's socket has taken everything."""
        for subscriber in list(self.subscribers):
            await subscriber.empty.wait()

    async def _serve_one(self, sock: socket.socket) -> None:
        subscriber = Subscriber(sock)
        try:
            await self._read_frames(subscriber)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The server went away in the middle of a frame: an ordinary end here.
        finally:
            self.subscribers.discard(subscriber)
            subscriber.close()

    async def _read_frames(self, subscriber: Subscriber) -> None:
        """Greeting, READY, then subscriptions: message frames that begin with 1."""
        sock = subscriber.sock
        await subscriber.loop.sock_sendall(sock, GREETING)
        await _read(sock, len(GREETING))
        while True:
            flags, size = await _read(sock, 2)
            if flags & LONG:
                size = int.from_bytes(bytes((size,)) + await _read(sock, 7), "big")
            body = await _read(sock, size)
            if flags & COMMAND and body.startswith(b"\x05READY"):
                await subscriber.loop.sock_sendall(sock, READY)
            elif not flags & COMMAND and body[:1] == b"\x01":
                first = not self.subscribers
                self.subscribers.add(subscriber)
                if first:
                    self.publish([self.welcome()])


async def _read(sock: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes."""
    data = b""
    while len(data) < size:
        more = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        if not more:
            raise asyncio.IncompleteReadError(data, size)
        data += more
    return data
