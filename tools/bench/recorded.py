"""Measures what the journal of executions adds to each message: of a flood, and of kernels that publish at a low rate.

A flood is measured in two ways, because floods of one server differ by half on a noisy machine. Two servers run at the same
time, one with `executions` off, and get short floods in turns; a pair is the median CPU time of `FLOODS` floods of each. And one
server is flooded, whose kernels have their journal in every second step of 10 ms; a pair is the CPU time of both kinds of steps
in `STEPPED` floods.
At a low rate the kernels of two servers publish at the same time, so that what disturbs one disturbs the other.
Each pair has new servers, because how fast a process is depends on where its memory lies. Must not assert. Cost: an hour.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from math import nan
from statistics import median, quantiles
from typing import TYPE_CHECKING

from kernelws.cli.bench import machine
from kernelws.cli.bench.groups import FULL, PROTOCOLS, QUICK, attached, flood
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, Server

from . import alternating, lonely
from .plan import CLIENT_COUNTS, ROOT, BenchServer
from .watched import log_on_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelws.cli.bench.groups import Scale

PAIRS = 15
FLOODS = 3
"""Floods of each server of a pair of servers."""
STEPPED = 3
"""Longer floods of a server that alternates."""
OFF = "--ZMQChannelsWebsocketConnection.executions=False"
TARGET = 1.05
LONELY_TARGET = 1.10


def main(quick: bool) -> None:
    """Measures, and prints the tables."""
    # Floods of fewer messages have hardly any step
    pairs, scale = (2, replace(QUICK, most=60_000)) if quick else (PAIRS, FULL)
    print("\n".join([*(f"{line}  " for line in machine.describe()), ""]))
    floods(pairs, scale)
    low_rates(pairs, scale)


def floods(pairs: int, scale: Scale) -> None:
    """Prints the table of floods."""
    print("| a flood of small messages | off, us | two servers, on / off | quartiles | one server | quartiles | pairs | target |")
    print("|---|---:|---:|---|---:|---|---:|---:|", flush=True)
    for protocol in PROTOCOLS:
        for clients in CLIENT_COUNTS:
            two, one = [], []
            for pair in range(pairs):
                note(f"recorded flood, {protocol}, {clients} client(s), pair {pair + 1} of {pairs}")
                two.append(compare(protocol, clients, scale))
                one.append(alternate(protocol, clients, scale))
            cells = f"{_ratios(two)} | {_ratios(one)} | {pairs} | {TARGET}"
            print(f"| {protocol}, {clients} client(s) | {1e6 * median(off for _, off in one):.2f} | {cells} |", flush=True)


def low_rates(pairs: int, scale: Scale) -> None:
    """Prints the table of kernels that publish at a low rate."""
    print("\n| kernels, messages/s of each | off, us | on / off | quartiles | pairs | target |")
    print("|---|---:|---:|---|---:|---:|", flush=True)
    for kernels, rate in lonely.DAYS:
        found = []
        for pair in range(pairs):
            note(f"recorded, {kernels} kernel(s), {rate} messages/s each, pair {pair + 1} of {pairs}")
            found.append(compare_lonely(kernels, rate, scale, on_first=pair % 2 == 0))
        cost = f"{1e6 * median(off for _, off in found):.0f}"
        print(f"| {kernels}, {rate} | {cost} | {_ratios(found)} | {pairs} | {LONELY_TARGET:.2f} |", flush=True)


def _ratios(found: list[tuple[float, float]]) -> str:
    low, middle, high = quantiles((on / off for on, off in found), n=4)
    return f"{middle:.3f} | {low:.3f} to {high:.3f}"


def compare(protocol: str, clients: int, scale: Scale) -> tuple[float, float]:
    """CPU seconds a message with the journal and without, on two new servers."""
    with _server(protocol, clients, scale) as on, _server(protocol, clients, scale, OFF) as off:
        costs: dict[Callable[[], float], list[float]] = {on: [], off: []}
        for number in range(FLOODS):
            for flooded in (on, off) if number % 2 else (off, on):
                costs[flooded].append(flooded())
        return median(costs[on]), median(costs[off])


def compare_lonely(kernels: int, rate: int, scale: Scale, *, on_first: bool) -> tuple[float, float]:
    """CPU seconds a message with the journal and without, on two new servers. `on_first`: which one is asked first."""
    with BenchServer(KERNELWS) as on, log_on_failure(on), BenchServer(KERNELWS, (OFF,)) as off, log_on_failure(off):
        servers = [on, off] if on_first else [off, on]
        costs = [message for message, _ in lonely.publish(servers, kernels, rate, scale)]
    first, second = costs
    return (first, second) if on_first else (second, first)


def alternate(protocol: str, clients: int, scale: Scale) -> tuple[float, float]:
    """CPU seconds a message with the journal and without, in steps of one flood on a new server."""
    with AlternatingServer(KERNELWS) as server, log_on_failure(server), attached(server, clients, PROTOCOLS[protocol]) as stage:
        flood(server, [stage], scale.burst, 100)
        server.costs()
        for _ in range(STEPPED):
            flood(server, [stage], scale.most, 100)
        return server.costs()


class AlternatingServer(Server):
    """A server whose kernels have their journal in every second step."""

    def extensions(self) -> dict[str, bool]:
        """Which server extensions are on."""
        return {**super().extensions(), alternating.__name__: True}

    def _environment(self) -> dict[str, str]:
        environment = super()._environment()
        path = [environment.get("PYTHONPATH", ""), str(ROOT)]
        return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, path))}

    def costs(self) -> tuple[float, float]:
        """CPU seconds a message with the journal and without, since the last call; NaN if there was no flood."""
        off, on = (
            seconds / messages if messages else nan for seconds, messages in self.request("GET", f"/{alternating.PATH}")["costs"]
        )
        return on, off


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
