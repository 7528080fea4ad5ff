"""The synthetic kernel's IOPub: a TCP server that speaks ZMTP 3.0 (NULL mechanism).

Accepts subscribers, answers the first subscription with `iopub_welcome`, and sends bytes that are framed already. Later
subscriptions get no welcome, as with libzmq's XPUB. Must not drop messages, so that each missing message was lost by the server:
messages for a subscriber that does not read are queued, as with SNDHWM 0. Does not use libzmq, because sending through it from
Python takes 5 to 8 us a message, more than the server that is measured.
Cost: one system call for several hundred messages; more than a million small messages a second.
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
    """One connected SUB socket: a non-blocking socket with a queue of chunks."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self.backlog: deque[memoryview] = deque()
        self.empty = asyncio.Event()
        self.empty.set()

    def write(self, chunks: Iterable[bytes]) -> None:
        """Queues the chunks, and sends as much as the socket takes now and later."""
        idle = not self.backlog
        self.backlog.extend(memoryview(chunk) for chunk in chunks)
        if idle and self.backlog:
            self.empty.clear()
            self.loop.add_writer(self.sock, self._flush)
            self._flush()

    def clear(self) -> None:
        """Drops all chunks but the one that is being sent. Chunks of a small flood are whole messages."""
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
        """Closes the socket. Removes it from the loop first, because a new socket may get the same descriptor."""
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
        """Accepts subscribers until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._listener)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(self._serve_one(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def publish(self, chunks: list[bytes]) -> None:
        """Sends the same bytes to every subscriber."""
        for subscriber in self.subscribers:
            subscriber.write(chunks)

    async def drained(self) -> None:
        """Waits until the queue of every subscriber is empty."""
        for subscriber in list(self.subscribers):
            await subscriber.empty.wait()

    async def _serve_one(self, sock: socket.socket) -> None:
        subscriber = Subscriber(sock)
        try:
            await self._read_frames(subscriber)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the server has closed the connection
        finally:
            self.subscribers.discard(subscriber)
            subscriber.close()

    async def _read_frames(self, subscriber: Subscriber) -> None:
        """Reads the peer's frames: greeting, READY, then subscriptions, which are messages that begin with 1."""
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
    """Reads exactly `size` bytes."""
    data = b""
    while len(data) < size:
        more = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        if not more:
            raise asyncio.IncompleteReadError(data, size)
        data += more
    return data
