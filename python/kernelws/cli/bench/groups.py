"""The measurements: each is a function that takes a server and returns the values of its rows for one repeat.

Each repeat starts a new kernel with clients, sends messages, and reads the server's CPU time before and after. Must not start or
end while the server still has work, count its own CPU time, or know the server's class. Small floods are sized by a short pilot
run, so that a fast class is measured over as much CPU time as a slow one.
Cost: one to fifteen seconds a repeat.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from ..client import Client, collect
from ..frames import V1
from . import machine
from .direct import Direct
from .drain import Drain
from .messages import FLOOD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .rows import Row
    from .server import Server

Values = dict[str, float]
PROTOCOLS = {"v1": V1, "legacy": ""}
MB = 1e6


@dataclass(frozen=True)
class Scale:
    """How much to send. `QUICK` is only enough to check that everything works."""

    pilot: int = 2000
    least: int = 8000
    most: int = 150_000
    cpu_seconds: float = 1.5
    large: int = 200
    trips: int = 150
    background: int = 250_000
    connects: int = 20
    further: int = 16
    comms: int = 3000
    burst: int = 50_000


FULL = Scale()
QUICK = Scale(300, 500, 3000, 0.1, 8, 15, 20_000, 4, 4, 200, 3000)
LARGE = 4_000_000


@dataclass(frozen=True)
class Group:
    """A measurement with its rows.

    `fresh`: needs a new server for every repeat. `smoke`: is part of --quick; False if another group runs the same code.
    """

    name: str
    rows: tuple[Row, ...]
    run: Callable[[Server, Scale], Values]
    fresh: bool = False
    smoke: bool = True


@dataclass(frozen=True)
class FloodResult:
    """The result of one flood: its duration and the server's CPU time in seconds, and the share that arrived in order."""

    seconds: float
    cpu: float
    share: float


class AttachedKernel(NamedTuple):
    """A kernel, its clients, and a direct ZMQ connection to it."""

    kernel_id: str
    clients: list[Client]
    direct: Direct


@contextlib.contextmanager
def attached(
    server: Server, clients: int, protocol: str = V1, kernel: str = "bench", kind: type[Client] = Client
) -> Iterator[AttachedKernel]:
    """A new kernel with this many connected clients of class `kind`, each of which has had a reply."""
    kernel_id = server.start_kernel(kernel)
    opened: list[Client] = []
    try:
        for _ in range(clients):
            opened.append(kind(server.address, kernel_id, protocol))
            opened[-1].ask()
        with Direct(server.connection(kernel_id)) as direct:
            yield AttachedKernel(kernel_id, opened, direct)
    finally:
        for client in opened:
            with contextlib.suppress(OSError):
                client.close()
        server.end_kernel(kernel_id)


def flood(server: Server, stages: Sequence[AttachedKernel], count: int, size: int, binary: bool = False) -> FloodResult:
    """Makes all kernels send `count` messages at once, and measures until all clients have them. Waits for a quiet server
    before and after."""
    clients = [client for stage in stages for client in stage.clients]
    end = f"end-{uuid.uuid4().hex}"
    for stage in stages:
        order = {"count": count, "size": size, "binary": binary, "end": end, "parent": executed(stage.clients[0])}
        stage.direct.ask("bench_prepare", order)
    for client in clients:
        client.record()
    server.quiet()
    cpu, begun = server.cpu(), time.perf_counter()
    for stage in stages:
        stage.direct.ask("bench_flood")
    ended = collect(clients, end.encode())
    for stage in stages:
        stage.direct.ask("bench_drained")
    server.quiet()
    cpu = server.cpu() - cpu
    # All clients have the last message, so missing messages will not arrive
    return FloodResult(ended - begun, cpu, min(share(client.numbers(), count) for client in clients))


def executed(client: Client, code: str = FLOOD) -> str:
    """Sends an execute_request and waits for its reply. Returns its msg_id. For `FLOOD` the kernel sends no idle: the flood that
    has this msg_id as its parent ends with one."""
    msg_id = client.send("shell", "execute_request", {"code": code, "silent": False})
    client.wait_for(msg_id, b"execute_reply")
    return msg_id.decode()


def share(numbers: list[int], count: int) -> float:
    """The share of `count` messages that arrived in order. A message that arrives after a later one does not count."""
    arrived, latest = 0, -1
    for number in numbers:
        if number > latest:
            arrived, latest = arrived + 1, number
    return arrived / count


def sized_flood(server: Server, stage: AttachedKernel, scale: Scale) -> tuple[FloodResult, int]:
    """A flood of 100-byte messages that takes the server about `scale.cpu_seconds`."""
    pilot = flood(server, [stage], scale.pilot, 100)
    wanted = int(scale.cpu_seconds * scale.pilot / pilot.cpu)
    count = min(scale.most, max(scale.least, wanted))
    return flood(server, [stage], count, 100), count


def small(name: str) -> Callable[[Server, Scale], Values]:
    """100-byte stream messages to 1 and to 4 clients."""

    def run(server: Server, scale: Scale) -> Values:
        values: Values = {}
        for number in (1, 4):
            with attached(server, number, PROTOCOLS[name]) as stage:
                result, count = sized_flood(server, stage, scale)
            values[f"{name}-{number}-cpu"] = 1e6 * result.cpu / count
            values[f"{name}-{number}-rate"] = count / result.seconds
            values[f"{name}-{number}-share"] = result.share
        further = values[f"{name}-4-cpu"] - values[f"{name}-1-cpu"]
        return {**values, f"{name}-further-cpu": further / 3}

    return run


def large(name: str, number: int, title: str = "large", kind: type[Client] = Client) -> Callable[[Server, Scale], Values]:
    """4 MB buffers, on a new server, because a process rarely returns memory to the system. `title` begins the rows' names."""

    def run(server: Server, scale: Scale) -> Values:
        count = max(4, scale.large // number)
        with attached(server, number, PROTOCOLS[name], kind=kind) as stage:
            server.quiet()
            before = machine.memory_kb(server.pid)
            machine.reset_peak(server.pid)
            result = flood(server, [stage], count, LARGE, binary=True)
            peak, after = machine.memory_kb(server.pid, "VmHWM"), machine.memory_kb(server.pid)
        row = f"{title}-{name}-{number}"
        return {
            f"{row}-cpu": 1e3 * result.cpu / count,
            f"{row}-rate": number * count * LARGE / MB / result.seconds,
            f"{row}-share": result.share,
            f"{row}-rss-before": before / 1e3,
            f"{row}-rss-after": after / 1e3,
            f"{row}-rss-peak": peak / 1e3,
        }

    return run


def round_trip(server: Server, scale: Scale) -> Values:
    """A kernel_info round trip through the server, and one directly to the kernel."""
    with attached(server, 1) as (_, clients, direct):
        server.quiet()
        through = [timed(clients[0].ask) for _ in range(scale.trips)]
        past = [timed(lambda: direct.ask("kernel_info_request")) for _ in range(scale.trips)]
    half, bare = median(through), median(past)
    return {
        "rtt-p50": half,
        "rtt-p99": percentile(through, 0.99),
        "rtt-bare-p50": bare,
        "rtt-added-p50": half - bare,
    }


def round_trip_flood(server: Server, scale: Scale) -> Values:
    """As `round_trip`, while another kernel floods its own client in another process."""
    through: list[float] = []
    past: list[float] = []
    with attached(server, 1) as (_, clients, direct), Drain(server) as drain:
        server.quiet()
        drain.flood(scale.background)
        while len(through) < scale.trips and not drain.ended():
            through.append(timed(clients[0].ask))
            past.append(timed(lambda: direct.ask("kernel_info_request")))
    # The last round trip may have ended after the flood
    through, past = through[:-1] or through, past[:-1] or past
    return {
        "rtt-flood-p50": median(through),
        "rtt-flood-p99": percentile(through, 0.99),
        "rtt-flood-bare-p50": median(past),
        "rtt-flood-bare-p99": percentile(past, 0.99),
    }


def timed(action: Callable[[], object]) -> float:
    """Milliseconds that `action` takes."""
    begun = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - begun)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value such that at least `share` of all values are equal or smaller (nearest rank)."""
    ordered = sorted(values)
    rank = max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)
    return ordered[rank]


def further_clients(server: Server, scale: Scale) -> Values:
    """The time until a second client's first reply, and the descriptors and memory of each further client."""
    times: list[float] = []
    with attached(server, 1) as (kernel_id, _, _):
        with contextlib.ExitStack() as stack:
            server.quiet()
            files, memory = machine.descriptors(server.pid), machine.memory_kb(server.pid)
            for _ in range(scale.further):
                client = stack.enter_context(contextlib.closing(Client(server.address, kernel_id)))
                client.ask()
            server.quiet()
            files = machine.descriptors(server.pid) - files
            memory = machine.memory_kb(server.pid) - memory
        for _ in range(scale.connects):
            server.quiet()
            begun = time.perf_counter()
            second = Client(server.address, kernel_id)
            second.ask()
            times.append(1e3 * (time.perf_counter() - begun))
            second.close()
    return {
        "second-p50": median(times),
        "further-fds": files / scale.further,
        "further-rss": memory / scale.further,
    }
