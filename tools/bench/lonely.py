"""Measures the server's cost for kernels that publish at a low rate, with one client each.

Reads the server's CPU time while the kernels publish, per message and per second. Limits are the defaults; a message has 10
bytes of text. Must not count what connecting a client costs: the kernels start half a second after the command, when all have
it. Cost: ten seconds a row.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

from kernelws.cli.bench.groups import attached, executed
from kernelws.cli.bench.rows import Row
from kernelws.cli.client import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernelws.cli.bench.groups import Scale, Values
    from kernelws.cli.bench.server import Server

SIZE = 10
SECONDS = 10.0
DAYS = ((1, 10), (20, 10), (20, 50))
"""Kernels, and messages a second of each."""


def name_of(kernels: int, rate: int) -> str:
    return f"lonely-{kernels}x{rate}"


def rows(kernels: int, rate: int) -> tuple[Row, ...]:
    """Two rows: the cost per message and per second."""
    title = f"{kernels} kernel(s), {rate} messages/s each"
    name = name_of(kernels, rate)
    return (
        Row(f"{name}-cpu", f"{title}: server CPU a message", "us"),
        Row(f"{name}-second", f"{title}: server CPU a second", "ms"),
    )


def lonely(kernels: int, rate: int) -> Callable[[Server, Scale], Values]:
    """The measurement of one row."""

    def run(server: Server, scale: Scale) -> Values:
        [(message, second)] = publish([server], kernels, rate, scale)
        name = name_of(kernels, rate)
        return {f"{name}-cpu": 1e6 * message, f"{name}-second": 1e3 * second}

    return run


def publish(servers: Sequence[Server], kernels: int, rate: int, scale: Scale) -> list[tuple[float, float]]:
    """CPU seconds a message and a second, of each server, while the kernels of all publish at the same time."""
    # A quick run has a small number of comm messages; then this number is small too
    count = max(5, int(rate * SECONDS * min(1.0, scale.comms / 3000)))
    end = f"end-{uuid.uuid4().hex}"
    with contextlib.ExitStack() as stack:
        stages = [stack.enter_context(attached(server, 1, kernel="paced")) for server in servers for _ in range(kernels)]
        order = {"count": count, "size": SIZE, "binary": False, "end": end, "chunk": 1}
        for stage in stages:
            stage.direct.ask("bench_prepare", {**order, "parent": executed(stage.clients[0])})
            stage.clients[0].record()
        for server in servers:
            server.quiet()
        used, began = [server.cpu() for server in servers], time.perf_counter()
        for stage in stages:
            stage.direct.ask("bench_pace", {"rate": rate})
        seconds = collect([stage.clients[0] for stage in stages], end.encode()) - began
        used = [server.cpu() - before for server, before in zip(servers, used, strict=True)]
    return [(cpu / (kernels * (count + 2)), cpu / seconds) for cpu in used]
