"""Measures what the journal of executions adds to each message of a flood.

Two servers run at the same time, one with `executions` off, and get short floods in turns, so that a change in the machine's
speed affects both. A pair is the median CPU time of `FLOODS` floods of each. Each pair has new servers, because how fast a
process is depends on where its memory lies. Must not assert. Cost: half an hour.
"""

from __future__ import annotations

import contextlib
from statistics import median, quantiles
from typing import TYPE_CHECKING

from kernelws.cli.bench import machine
from kernelws.cli.bench.groups import FULL, PROTOCOLS, QUICK, attached, flood
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, Server

from .plan import CLIENT_COUNTS
from .watched import log_on_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelws.cli.bench.groups import Scale

PAIRS = 15
FLOODS = 5
OFF = "--ZMQChannelsWebsocketConnection.executions=False"
TARGET = 1.05


def main(quick: bool) -> None:
    """Measures, and prints the table."""
    pairs, scale = (2, QUICK) if quick else (PAIRS, FULL)
    print("\n".join([*(f"{line}  " for line in machine.describe()), ""]))
    print("| a flood of 100-byte messages | off, us | on / off | quartiles | pairs | target |")
    print("|---|---:|---:|---|---:|---:|", flush=True)
    for protocol in PROTOCOLS:
        for clients in CLIENT_COUNTS:
            found = []
            for pair in range(pairs):
                note(f"recorded flood, {protocol}, {clients} client(s), pair {pair + 1} of {pairs}")
                found.append(compare(protocol, clients, scale))
            low, middle, high = quantiles((on / off for on, off in found), n=4)
            off = 1e6 * median(off for _, off in found)
            cells = f"{off:.2f} | {middle:.3f} | {low:.2f} to {high:.2f} | {len(found)} | {TARGET}"
            print(f"| {protocol}, {clients} client(s) | {cells} |", flush=True)


def compare(protocol: str, clients: int, scale: Scale) -> tuple[float, float]:
    """CPU seconds a message with the journal and without, on two new servers."""
    with _server(protocol, clients, scale) as on, _server(protocol, clients, scale, OFF) as off:
        costs: dict[Callable[[], float], list[float]] = {on: [], off: []}
        for number in range(FLOODS):
            for flooded in (on, off) if number % 2 else (off, on):
                costs[flooded].append(flooded())
        return median(costs[on]), median(costs[off])


@contextlib.contextmanager
def _server(protocol: str, clients: int, scale: Scale, *options: str) -> Iterator[Callable[[], float]]:
    """Starts a server with one kernel and its clients. Yields what floods them and returns the CPU seconds a message."""
    with (
        Server(KERNELWS, options) as server,
        log_on_failure(server),
        attached(server, clients, PROTOCOLS[protocol]) as stage,
    ):
        flood(server, [stage], scale.burst, 100)
        yield lambda: flood(server, [stage], scale.burst, 100).cpu / scale.burst
