"""Rows about memory: much output for a client that does not read, that is not connected, or that gets large messages.

Measures how much the server's resident memory grows, from a quiet server until it is quiet again, and a neighbour's round trip
meanwhile. Must not fail because of a figure. Cost: 5 to 40 seconds a row in full, and 400 MB on disk and in the kernel.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from kernelws.cli.bench import machine
from kernelws.cli.bench.server import KERNELWS

from .context import ALL_KEPT, CLASS, NO_LIMIT, Row
from .neighbour import Neighbour
from .stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .context import Context
    from .outcome import Outcome
    from .server import ChaosServer

TEXT = 10_000
PRINT_RATE = 35e6
"""Bytes a second, as ipykernel sends flushed prints of this size on the reference machine."""
LARGE = 4_000_000
# For quick runs: sending the default backlog of 16 MiB takes 16 seconds at the rate limit of 1 MB/s
SMALL_BACKLOG = (f"{CLASS}.stream_backlog_limit={1 << 20}",)


@contextlib.contextmanager
def growth(server: ChaosServer, outcome: Outcome, limit: float) -> Iterator[None]:
    """Measures by how much the server's resident memory grows in this context, at its peak. `limit` is in MB."""
    server.quiet()
    before = machine.memory_kb(server.pid)
    machine.reset_peak(server.pid)
    yield
    peak = machine.memory_kb(server.pid, "VmHWM")
    outcome.figure("RSS growth", (peak - before) * 1024 / 1e6, "MB", limit)


def stopped(context: Context, outcome: Outcome) -> None:
    """A client stops reading while the kernel prints much, and then reads again. No message must be missing."""
    _stopped(context, outcome, PRINT_RATE)


def stopped_burst(context: Context, outcome: Outcome) -> None:
    """The same with a kernel that sends as fast as its sockets allow, which is faster than the disk."""
    _stopped(context, outcome, None)


def _stopped(context: Context, outcome: Outcome, rate: float | None) -> None:
    outcome.faults["client stops reading"] += 1
    with context.server(NO_LIMIT, ALL_KEPT) as server, Stage.open(server, outcome, proxied=False) as stage:
        end = _print_unread(context, stage, 96, rate)
        stage.follow(end)
        _compare_all(stage, end)


def stopped_defaults(context: Context, outcome: Outcome) -> None:
    """The same with default settings: the notice has the exact number of bytes that were left out, and idle arrives."""
    outcome.faults["client stops reading"] += 1
    with (
        context.server((), SMALL_BACKLOG if context.scale.quick else ()) as server,
        Stage.open(server, outcome, proxied=False) as stage,
    ):
        end = _print_unread(context, stage, 48, PRINT_RATE)
        stage.follow(end)
        stage.compare(end)


def detached(context: Context, outcome: Outcome) -> None:
    """The client is disconnected while the kernel prints much. When it reconnects, it gets all of it, in order."""
    outcome.faults["client leaves"] += 1
    with context.server(NO_LIMIT, ALL_KEPT) as server, Stage.open(server, outcome, proxied=False) as stage:
        stage.client.close(1001)
        end = _print_unread(context, stage, 96, PRINT_RATE)
        stage.come_back()
        stage.follow(end)
        _compare_all(stage, end)


def _compare_all(stage: Stage, end: str) -> None:
    stage.compare(end)
    if stage.outcome.left_out:
        stage.outcome.problems.append("text was left out, although the limits allow all of it")


def _print_unread(context: Context, stage: Stage, limit: float, rate: float | None) -> str:
    """Prints until the kernel has sent all and the server is quiet, and measures a neighbour's round trips meanwhile."""
    printed_bytes, outcome = context.scale.printed, stage.outcome
    end = stage.prepare_flood(printed_bytes // TEXT, TEXT)
    with Neighbour(stage.server) as neighbour, ThreadPoolExecutor(1) as pool:
        with growth(stage.server, outcome, limit):
            stage.flood(printed_bytes / rate if rate else 0.0)
            printed: Future[None] = pool.submit(stage.direct.ask, "bench_drained")
            neighbour.ask_until(printed.done)
            printed.result()
            stage.server.quiet()
        neighbour.report(outcome)
    return end


def large(context: Context, outcome: Outcome) -> None:
    """Messages of 4 MB for a client that reads as fast as it can."""
    with context.server(NO_LIMIT) as server, Stage.open(server, outcome, proxied=False) as stage:
        end = stage.prepare_flood(context.scale.large, LARGE, binary=True)
        with growth(server, outcome, 160):
            stage.flood()
            stage.follow(end)
        stage.compare(end)


ROWS = (
    Row("stopped", "a client stops reading while 400 MB are printed, all kept", stopped),
    Row("stopped-burst", "the same with a kernel as fast as its sockets", stopped_burst),
    Row("stopped-defaults", "a client stops reading while 400 MB are printed, defaults", stopped_defaults, (KERNELWS,)),
    Row("detached", "no client is connected while 400 MB are printed, all kept", detached),
    Row("large", "messages of 4 MB to a fast client", large),
)
