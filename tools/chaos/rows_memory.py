"""Rows about memory: much output for a client that does not read, is not there, or is fast but gets large messages.

What it does: reads the server's peak of resident memory around each, and a neighbour's round trip meanwhile.
What it must not do: fail for a figure. Strategy: the peak counts from a quiet server until it is quiet again.
Cost: 5 to 40 seconds each in full, and 400 MB on disk and in the kernel.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from kernelws.cli.bench import machine
from kernelws.cli.bench.server import KERNELWS

from .neighbour import Neighbour
from .setting import ALL_KEPT, CLASS, NO_LIMIT, Row
from .stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .outcome import Outcome
    from .server import ChaosServer
    from .setting import Setting

TEXT = 10_000
PRINT_RATE = 35e6
"""Bytes a second: what ipykernel makes of flushed prints of this size on the machine that the figures of this row are from."""
LARGE = 4_000_000
# With the default, 16 MiB leave at 1 MB/s.
SMALL_BACKLOG = (f"{CLASS}.stream_backlog_limit={1 << 20}",)


@contextlib.contextmanager
def growth(server: ChaosServer, outcome: Outcome, limit: float) -> Iterator[None]:
    """The growth of the server's resident memory inside, at its peak."""
    server.quiet()
    before = machine.memory_kb(server.pid)
    machine.reset_peak(server.pid)
    yield
    peak = machine.memory_kb(server.pid, "VmHWM")
    outcome.figure("RSS growth", (peak - before) * 1024 / 1e6, "MB", limit)


def stopped(setting: Setting, outcome: Outcome) -> None:
    """A client that stops reading while much is printed, and reads again: nothing is missing."""
    _stopped(setting, outcome, PRINT_RATE)


def stopped_burst(setting: Setting, outcome: Outcome) -> None:
    """The same from a kernel that sends as fast as its sockets take it: the disk is slower than that."""
    _stopped(setting, outcome, None)


def _stopped(setting: Setting, outcome: Outcome, rate: float | None) -> None:
    outcome.faults["client stops reading"] += 1
    with setting.server(NO_LIMIT, ALL_KEPT) as server, Stage.open(server, outcome, proxied=False) as stage:
        end = _print_unread(setting, stage, 96, rate)
        stage.follow(end)
        _compare_all(stage, end)


def stopped_defaults(setting: Setting, outcome: Outcome) -> None:
    """The same with defaults: the notice names what was left out to the byte, and idle arrives."""
    outcome.faults["client stops reading"] += 1
    with (
        setting.server((), SMALL_BACKLOG if setting.scale.quick else ()) as server,
        Stage.open(server, outcome, proxied=False) as stage,
    ):
        end = _print_unread(setting, stage, 48, PRINT_RATE)
        stage.follow(end)
        stage.compare(end)


def nobody(setting: Setting, outcome: Outcome) -> None:
    """Nobody is connected while much is printed; who comes back gets all of it, in order."""
    outcome.faults["client leaves"] += 1
    with setting.server(NO_LIMIT, ALL_KEPT) as server, Stage.open(server, outcome, proxied=False) as stage:
        stage.client.close(1001)
        end = _print_unread(setting, stage, 96, PRINT_RATE)
        stage.come_back()
        stage.follow(end)
        _compare_all(stage, end)


def _compare_all(stage: Stage, end: str) -> None:
    stage.compare(end)
    if stage.outcome.left_out:
        stage.outcome.problems.append("text was left out though the limits allow all of it")


def _print_unread(setting: Setting, stage: Stage, limit: float, rate: float | None) -> str:
    """Print, with a neighbour asking, until the kernel and the server have nothing more to do."""
    printed_bytes, outcome = setting.scale.printed, stage.outcome
    end = stage.order(printed_bytes // TEXT, TEXT)
    with Neighbour(stage.server) as neighbour, ThreadPoolExecutor(1) as pool:
        with growth(stage.server, outcome, limit):
            stage.flood(printed_bytes / rate if rate else 0.0)
            printed: Future[None] = pool.submit(stage.direct.ask, "bench_drained")
            neighbour.ask_until(printed.done)
            printed.result()
            stage.server.quiet()
        neighbour.report(outcome)
    return end


def large(setting: Setting, outcome: Outcome) -> None:
    """Messages of 4 MB to a client that reads as fast as it can."""
    with setting.server(NO_LIMIT) as server, Stage.open(server, outcome, proxied=False) as stage:
        end = stage.order(setting.scale.large, LARGE, binary=True)
        with growth(server, outcome, 160):
            stage.flood()
            stage.follow(end)
        stage.compare(end)


ROWS = (
    Row("stopped", "a client stops reading while much (400 MB) is printed, all kept", stopped),
    Row("stopped-burst", "the same from a kernel as fast as its sockets", stopped_burst),
    Row("stopped-defaults", "a client stops reading while much (400 MB) is printed, defaults", stopped_defaults, (KERNELWS,)),
    Row("nobody", "nobody connected while much (400 MB) is printed, all kept", nobody),
    Row("large", "messages of 4 MB to a fast client", large),
)
