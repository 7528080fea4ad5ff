"""A TCP proxy between client and server that injects faults into their connections.

Forwards bytes until a method cuts (FIN), resets (RST), stalls, slows or silences the connections. A silenced connection is
half-open: neither end is notified. The server's bytes then stay unread (`silent`, like a dead network), or are read and dropped
(`swallow`, like a dead network behind a buffer). Must not read the contents, or affect later connections.
Runs an asyncio loop in a thread; each method returns when its fault has happened. Cost: one copy of every byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# SO_LINGER on, zero seconds: closing sends RST.
RESET = struct.pack("ii", 1, 0)
PASS, STALLED, SILENT, SWALLOW, CUT = "pass", "stalled", "silent", "swallow", "cut"


class Side(asyncio.Protocol):
    """One end of a link: the client's connection, or the proxy's connection to the server."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.made(self)

    def data_received(self, data: bytes) -> None:
        self.link.passed(self, data)

    def eof_received(self) -> bool:
        """Closes this side; connection_lost then closes the other."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.link.lost(self)

    def pause_writing(self) -> None:
        self.link.other(self).read(False)

    def resume_writing(self) -> None:
        if self.link.mode == PASS:
            self.link.other(self).read(True)

    def read(self, on: bool) -> None:
        """Turns reading from this side's socket on or off. Does nothing if it is on or off already."""
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.resume_reading if on else self.transport.pause_reading)()


class Link:
    """A client's connection, and the proxy's connection to the server for it."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.mode = PASS
        self.rate: float | None = None
        self.client, self.server = Side(self), Side(self)

    def other(self, side: Side) -> Side:
        """The opposite end."""
        return self.server if side is self.client else self.client

    def made(self, side: Side) -> None:
        """Connects to the server when a client has connected; reads from the client only after that."""
        if side is self.client:
            self.proxy.links.append(self)
            side.read(False)
            self.proxy.keep(self._reach_server())

    async def _reach_server(self) -> None:
        await self.proxy.accepting.wait()
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self.server, "127.0.0.1", self.proxy.target)
        except OSError:
            self.reset()
            return
        self.client.read(True)

    def passed(self, side: Side, data: bytes) -> None:
        """Forwards bytes from one side to the other, unless a fault prevents it."""
        target = self.other(side).transport
        if self.mode in {PASS, STALLED} and target is not None and not target.is_closing():
            target.write(data)
        if self.rate and side is self.server:
            side.read(False)
            asyncio.get_running_loop().call_later(len(data) / self.rate, self._go_on, side)

    def _go_on(self, side: Side) -> None:
        if self.mode == PASS:
            side.read(True)

    def lost(self, side: Side) -> None:
        """Closes the other side when one has closed, unless the link is silenced."""
        other = self.other(side).transport
        hidden = side is self.client and self.mode in {SILENT, SWALLOW}
        if other is not None and not hidden:
            other.close()

    def cut(self) -> None:
        """Sends FIN to both ends, after all bytes that were received before."""
        self.mode = CUT
        for side in (self.client, self.server):
            side.read(True)
            if side.transport is not None and not side.transport.is_closing():
                side.transport.write_eof()

    def reset(self) -> None:
        """Sends RST to both ends."""
        self.mode = CUT
        self.abort(self.client)
        self.abort(self.server)

    def abort(self, side: Side) -> None:
        """Sends RST to one end."""
        if side.transport is not None and not side.transport.is_closing():
            side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            side.transport.abort()

    def silence(self, mode: str) -> None:
        """Makes the link half-open: forwards nothing more, and notifies neither end. `mode` is SILENT or SWALLOW."""
        self.mode = mode
        for side in (self.client, self.server):
            side.read(mode == SWALLOW)

    def stall(self, on: bool) -> None:
        """Stops forwarding, or continues. No byte is lost."""
        if self.mode in {PASS, STALLED}:
            self.mode = STALLED if on else PASS
            for side in (self.client, self.server):
                side.read(not on)

    def slow(self, rate: float | None) -> None:
        """Limits bytes a second from the server to the client. None removes the limit."""
        self.rate = rate


class Proxy:
    """Listens on its own port for one server; a context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.links: list[Link] = []
        self.port = 0
        self.accepting = asyncio.Event()
        """Set while new connections are forwarded; otherwise they wait."""
        self.accepting.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        self._listener = await self._loop.create_server(lambda: Link(self).client, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        self._listener.close()
        for link in self.links:
            link.reset()
        for task in self._tasks:
            task.cancel()
        # Two rounds: aborted transports call connection_lost in the next one.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def keep(self, work: Coroutine[object, object, None]) -> None:
        """Runs a coroutine as a task, and keeps a reference to the task."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_all(self, act: Callable[[Link], None]) -> None:
        """Calls `act` for every link that is neither cut nor silenced, and waits until it has run."""

        async def run() -> None:
            for link in self.links:
                if link.mode in {PASS, STALLED}:
                    with contextlib.suppress(OSError):  # an end that has closed already
                        act(link)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def network(self, on: bool) -> None:
        """Forwards new connections to the server, or makes them wait."""
        self._loop.call_soon_threadsafe(self.accepting.set if on else self.accepting.clear)

    def cut(self) -> None:
        """Sends FIN to both ends of all links."""
        self._on_all(Link.cut)

    def reset(self) -> None:
        """Sends RST to both ends of all links."""
        self._on_all(Link.reset)

    def silence(self) -> None:
        """Makes all links half-open; leaves the server's bytes unread."""
        self._on_all(lambda link: link.silence(SILENT))

    def swallow(self) -> None:
        """Makes all links half-open; reads the server's bytes and drops them."""
        self._on_all(lambda link: link.silence(SWALLOW))

    def drop_clients(self) -> None:
        """Resets the clients' connections (RST) without notifying the server."""

        def act(link: Link) -> None:
            link.silence(SWALLOW)
            link.abort(link.client)

        self._on_all(act)

    def stall(self, on: bool) -> None:
        """Stops forwarding on all links, or continues."""
        self._on_all(lambda link: link.stall(on))

    def slow(self, rate: float | None) -> None:
        """Limits bytes a second to the clients. None removes the limit."""
        self._on_all(lambda link: link.slow(rate))
