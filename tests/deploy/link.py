"""A second host for tests, in a network namespace, and a link to it that delays and loses packets.

``python -m tests.deploy.link NAME HERE THERE DELAY LOSS SEED`` creates the namespace NAME and two TUN interfaces, one outside
and one inside, and prints ``ready``. Then it forwards packets between them, in each direction: it drops the share LOSS and
delivers the others after DELAY seconds. On SIGTERM it prints the numbers of all and of lost packets, removes everything, and
exits. The interfaces end with the process, however it ends. ``tc netem`` would do the same, but few kernels have it, and CI's
has not; all have TUN. Must not forward packets anywhere else: there are two addresses, and no route beyond them. Needs root.
Cost: some 50 us a packet.
"""

import contextlib
import fcntl
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Self

from tests.support.process import Process

HERE, THERE = (f"10.77.{os.getpid() % 256}.{number}" for number in (1, 2))
"""The addresses of this run: another one may be under way on this machine."""
TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
LONGEST = 1 << 16
DELAY = 0.04
"""Seconds that a packet needs, one way."""
LOSS = 0.01
QUEUE = 1000
"""Packets that wait in one direction; more are lost, as on netem."""


def not_possible() -> str:
    """Why this user or machine cannot make such a link; empty if it can."""
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"needs {TUN}, a kernel with TUN"
    made = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    return "" if made.returncode == 0 else f"needs network namespaces: {made.stderr.decode().strip()}"


class Link(Process):
    """A running link. ``namespace`` is the other host's name."""

    namespace = ""

    @classmethod
    async def up(cls, seed: int = 1) -> Self:
        """Makes it, and waits until it carries packets."""
        name = f"kernelws-{os.getpid()}"
        words = (name, HERE, THERE, str(DELAY), str(LOSS), str(seed))
        link = await cls.run(sys.executable, "-m", "tests.deploy.link", *words)
        link.namespace = name
        await link.until("ready")
        return link

    async def pids(self) -> list[int]:
        """The processes that run on the other host."""
        listing = await Process.run("ip", "netns", "pids", self.namespace)
        assert await listing.wait() == 0, listing.output
        return [int(pid) for pid in listing.output.split()]

    async def down(self) -> tuple[int, int]:
        """Ends what runs on the other host and removes it; returns how many packets came, and how many of them were lost."""
        try:
            for pid in await self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await self.end(signal.SIGTERM)
        finally:
            _remove(self.namespace)
        carried, lost = self.output.split()[-2:]
        return int(carried), int(lost)


# the process


class Direction:
    """Packets on their way from one interface to the other."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self.waiting: deque[tuple[float, bytes]] = deque()

    def due(self) -> float:
        """When the next packet arrives."""
        return self.waiting[0][0] if self.waiting else float("inf")


def _tun(name: str) -> int:
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return descriptor


def _remove(namespace: str) -> None:
    subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)  # it may be gone


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _make(namespace: str, here_address: str, there_address: str) -> tuple[int, int]:
    """The descriptors of the two interfaces, which are up and have their addresses."""
    number = namespace.rpartition("-")[2]
    here, there = f"kws{number}a", f"kws{number}b"
    descriptors = _tun(here), _tun(there)
    _ip("netns", "add", namespace)
    _ip("link", "set", there, "netns", namespace)
    ends = ((here, (), here_address, there_address), (there, ("-n", namespace), there_address, here_address))
    for name, words, own, peer in ends:
        _ip(*words, "address", "add", own, "peer", peer, "dev", name)
        _ip(*words, "link", "set", name, "up")
    _ip("-n", namespace, "link", "set", "lo", "up")
    return descriptors


class Ended(Exception):  # noqa: N818 - it is no error
    """Raised by SIGTERM, to end the link."""


def _carry(directions: list[Direction], delay: float, loss: float, dice: random.Random, counts: list[int]) -> None:
    sources = [direction.source for direction in directions]
    while True:
        wait = min(direction.due() for direction in directions) - time.monotonic()
        readable = select.select(sources, [], [], None if wait == float("inf") else max(0.0, wait))[0]
        now = time.monotonic()
        for direction in directions:
            while direction.source in readable:
                try:
                    packet = os.read(direction.source, LONGEST)
                except BlockingIOError:
                    break
                counts[0] += 1
                if dice.random() < loss or len(direction.waiting) >= QUEUE:
                    counts[1] += 1
                else:
                    direction.waiting.append((now + delay, packet))
            while direction.due() <= now:
                os.write(direction.target, direction.waiting.popleft()[1])


def main(namespace: str, addresses: tuple[str, str], delay: float, loss: float, seed: int) -> None:
    """Carries packets until SIGTERM."""

    def end(*_: object) -> None:
        raise Ended

    signal.signal(signal.SIGTERM, end)
    counts = [0, 0]
    try:
        here, there = _make(namespace, *addresses)
        print("ready", flush=True)
        _carry([Direction(here, there), Direction(there, here)], delay, loss, random.Random(seed), counts)  # noqa: S311 - a run is to be repeatable
    except Ended:
        print(*counts, flush=True)
    finally:
        _remove(namespace)


if __name__ == "__main__":
    main(sys.argv[1], (sys.argv[2], sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6]))
    sys.exit(0)
