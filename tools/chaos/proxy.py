"""A TCP proxy between client and server that can hurt the connections going through it.

What it does: passes bytes both ways until told to cut (FIN), reset (RST), stall, slow down, or go half-open: then neither
end hears of it, and what the server sends is either left unread (`silent`, a dead network) or taken and thrown away
(`swallow`, a dead network behind a buffer). What it must not do: look into the bytes, or touch connections that come later.
Strategy: one asyncio loop in a thread; every method waits until the loop has done it, so that a fault has happened when the
call returns. Cost: one copy of every byte.
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
    """One end of a link: the client's connection or ours to the server."""

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
        """Ends this side as well: the other one follows in connection_lost."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.link.lost(self)

    def pause_writing(self) -> None:
        self.link.other(self).read(False)

    def resume_writing(self) -> None:
        if self.link.mode == PASS:
            self.link.other(self).read(True)

    def read(self, on: bool) -> None:
        """Reading from this side's socket, on or off; both can be said twice."""
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.resume_reading if on else self.transport.pause_reading)()


class Link:
    """A client's connection and the one to the server behind it."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.mode = PASS
        self.rate: float | None = None
        self.client, self.server = Side(self), Side(self)

    def other(self, side: Side) -> Side:
        """The opposite end."""
        return self.server if side is self.client else self.client

    def made(self, side: Side) -> None:
        """The client came: read nothing until the server is reached."""
        if side is self.client:
            self.proxy.links.append(self)
            side.read(False)
            self.proxy.keep(self._reach_server())

    async def _reach_server(self) -> None:
        await self.proxy.there.wait()
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self.server, "127.0.0.1", self.proxy.target)
        except OSError:
            self.reset()
            return
        self.client.read(True)

    def passed(self, side: Side, data: bytes) -> None:
        """Bytes from one side go to the other, unless the link is hurt."""
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
        """One side is gone: so is the other, unless it must not hear of it."""
        other = self.other(side).transport
        hidden = side is self.client and self.mode in {SILENT, SWALLOW}
        if other is not None and not hidden:
            other.close()

    def cut(self) -> None:
        """FIN to both, after what was already on its way."""
        self.mode = CUT
        for side in (self.client, self.server):
            side.read(True)
            if side.transport is not None and not side.transport.is_closing():
                side.transport.write_eof()

    def reset(self) -> None:
        """RST to both."""
        self.mode = CUT
        self.abort(self.client)
        self.abort(self.server)

    def abort(self, side: Side) -> None:
        """RST to one of them."""
        if side.transport is not None and not side.transport.is_closing():
            side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            side.transport.abort()

    def silence(self, mode: str) -> None:
        """Half-open: from now on nothing passes and nobody is told."""
        self.mode = mode
        for side in (self.client, self.server):
            side.read(mode == SWALLOW)

    def stall(self, on: bool) -> None:
        """Nothing passes for a while, and nothing is lost."""
        if self.mode in {PASS, STALLED}:
            self.mode = STALLED if on else PASS
            for side in (self.client, self.server):
                side.read(not on)

    def slow(self, rate: float | None) -> None:
        """At most `rate` bytes a second from the server to the client."""
        self.rate = rate


class Proxy:
    """Listens on a port of its own for one server; a context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.links: list[Link] = []
        self.port = 0
        self.there = asyncio.Event()
        """Whether there is a network for new connections; they wait for it."""
        self.there.set()
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
        """Runs a coroutine of a link and holds its task."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_all(self, act: Callable[[Link], None]) -> None:
        """Does it to every link that is not hurt for good, and waits until it is done."""

        async def run() -> None:
            for link in self.links:
                if link.mode in {PASS, STALLED}:
                    with contextlib.suppress(OSError):  # the end that is gone already
                        act(link)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def network(self, there: bool) -> None:
        """Whether new connections reach the server, or wait until they can."""
        self._loop.call_soon_threadsafe(self.there.set if there else self.there.clear)

    def cut(self) -> None:
        """FIN to both ends of every connection."""
        self._on_all(Link.cut)

    def reset(self) -> None:
        """RST to both ends."""
        self._on_all(Link.reset)

    def silence(self) -> None:
        """Half-open; the server's bytes are left unread."""
        self._on_all(lambda link: link.silence(SILENT))

    def swallow(self) -> None:
        """Half-open; the server's bytes are taken and thrown away."""
        self._on_all(lambda link: link.silence(SWALLOW))

    def drop_clients(self) -> None:
        """The clients are cut off (RST), and the server does not hear of it."""

        def act(link: Link) -> None:
            link.silence(SWALLOW)
            link.abort(link.client)

        self._on_all(act)

    def stall(self, on: bool) -> None:
        """Pass nothing, or pass again."""
        self._on_all(lambda link: link.stall(on))

    def slow(self, rate: float | None) -> None:
        """Limit bytes a second to the client, or stop limiting."""
        self._on_all(lambda link: link.slow(rate))
