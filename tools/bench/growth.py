"""Measures how the server's cost grows with the number of kernels and clients.

For each class: 1, 10 and 100 idle kernels with a client each; 1 and 10 flooding kernels; 1 to 64 clients on one flooding
kernel; 20 to 1,000 idle clients, 20 a kernel. Measures CPU time, memory and descriptors of the server. Must not be part of the
table, since only a picture shows whether growth is linear. Each curve has its own server, so that memory only grows.
Cost: five minutes a class, and 100 processes of 25 MB.
"""

from __future__ import annotations

import contextlib
import json
import resource
import selectors
import time
from typing import TYPE_CHECKING

from kernelws.cli.bench import machine
from kernelws.cli.bench.groups import Values, attached, flood
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, Server
from kernelws.cli.client import Client

from . import plots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


Curve = dict[int, Values]
Curves = dict[str, dict[str, Curve]]
IDLE, FLOODING, CLIENTS = (1, 10, 100), (1, 10), (1, 2, 4, 8, 16, 32, 64)
QUICK_IDLE, QUICK_CLIENTS = (1, 3), (1, 2, 4)
CROWD, QUICK_CROWD, CROWD_A_KERNEL = (20, 120, 240, 1000), (4,), 20
# Stock needs four sockets a client and one a kernel; libzmq's default of 1,023 a context is enough for 251 clients, 20 a kernel
STOCK_CROWD = 240
MESSAGES = 4000
IDLE_SECONDS = 3.0
# Each client is pinged once in 30 seconds
PING_SECONDS = 30.0


def main(classes: Sequence[str], extra: Sequence[str], folder: Path, quick: bool) -> None:
    """Measures all curves, prints the figures, and writes growth.json, growth.md and growth.png."""
    measures: dict[str, tuple[Callable[[Server, Sequence[int]], Curve], Sequence[int]]] = {
        "idle kernels": (idle_kernels, QUICK_IDLE if quick else IDLE),
        "flooding kernels": (flooding_kernels, QUICK_IDLE if quick else FLOODING),
        "clients": (clients_of_one, QUICK_CLIENTS if quick else CLIENTS),
        "idle clients": (idle_crowd, QUICK_CROWD if quick else CROWD),
    }
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # 100 direct connections with a context each need more than the usual 1,024 descriptors. Servers inherit the limit, and need
    # 7,000 for 1,000 clients
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    curves: Curves = {}
    for title, (measure, counts) in measures.items():
        for name in classes:
            note(f"growth: {title}, {name}")
            fit = [count for count in counts if measure is not idle_crowd or name == KERNELWS or count <= STOCK_CROWD]
            with Server(name, tuple(extra) if name == KERNELWS else ()) as server:
                curves.setdefault(title, {})[name] = measure(server, fit)
    print("\n".join(table(curves)))
    if not quick:
        folder.mkdir(exist_ok=True)
        (folder / "growth.json").write_text(json.dumps(curves, indent=1))
        (folder / "growth.md").write_text("\n".join(table(curves)) + "\n")
        plots.draw(curves, folder / "growth.png")


def idle_kernels(server: Server, counts: Sequence[int]) -> Curve:
    """Idle kernels with a client each."""
    curve: Curve = {}
    with contextlib.ExitStack() as stack:
        for count in counts:
            while len(server.kernels()) < count:
                stack.enter_context(attached(server, 1))
            curve[count] = {**_size(server), "idle CPU, ms per second": _idle_cpu(server)}
    return curve


def _idle_cpu(server: Server) -> float:
    server.quiet()
    cpu, begun = server.cpu(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return 1e3 * (server.cpu() - cpu) / (time.monotonic() - begun)


def flooding_kernels(server: Server, counts: Sequence[int]) -> Curve:
    """Kernels with a client each that all flood at once."""
    curve: Curve = {}
    for count in counts:
        with contextlib.ExitStack() as stack:
            stages = [stack.enter_context(attached(server, 1)) for _ in range(count)]
            result, total = flood(server, stages, MESSAGES, 100), MESSAGES * count
            curve[count] = {
                "CPU, us a message": 1e6 * result.cpu / total,
                "messages/s": total / result.seconds,
                "share": result.share,
            }
    return curve


def clients_of_one(server: Server, counts: Sequence[int]) -> Curve:
    """Clients of one flooding kernel."""
    curve: Curve = {}
    with attached(server, 0) as stage:
        for count in counts:
            while len(stage.clients) < count:
                stage.clients.append(Client(server.address, stage.kernel_id))
                stage.clients[-1].ask()
            server.quiet()
            size = _size(server)
            result = flood(server, [stage], MESSAGES, 100)
            cpu = {"CPU, us a message": 1e6 * result.cpu / MESSAGES, "share": result.share}
            curve[count] = {**size, **cpu}
    return curve


def idle_crowd(server: Server, counts: Sequence[int]) -> Curve:
    """Idle clients that answer pings, 20 on each kernel."""
    curve: Curve = {}
    clients: list[Client] = []
    for count in counts:
        while len(clients) < count:
            kernel_id = server.start_kernel()
            for _ in range(CROWD_A_KERNEL):
                clients.append(Client(server.address, kernel_id))
                clients[-1].ask()
        _answer_pings(clients, IDLE_SECONDS)
        cpu, begun = server.cpu(), time.monotonic()
        _answer_pings(clients, PING_SECONDS)
        idle = 1e3 * (server.cpu() - cpu) / (time.monotonic() - begun)
        curve[len(clients)] = {**_size(server), "idle CPU, ms per second": idle}
    for client in clients:
        client.close()
    return curve


def _answer_pings(clients: Sequence[Client], seconds: float) -> None:
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        while (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.receive()


def _size(server: Server) -> Values:
    rss = machine.memory_kb(server.pid) / 1e3
    return {"RSS, MB": rss, "descriptors": float(machine.descriptors(server.pid))}


def table(curves: Curves) -> list[str]:
    """A Markdown table for each curve, with a line for each count and a column for each class and figure."""
    lines: list[str] = []
    for title, by_class in curves.items():
        some = next(iter(next(iter(by_class.values())).values()))
        columns = [f"{figure}: {name}" for figure in some for name in by_class]
        lines += ["", f"| {title} | " + " | ".join(columns) + " |", "|---:" * (len(columns) + 1) + "|"]
        for count in max(by_class.values(), key=len):
            cells = [_cell(curve, count, figure) for figure in some for curve in by_class.values()]
            lines.append(f"| {count} | " + " | ".join(cells) + " |")
    return lines[1:]


def _cell(curve: Curve, count: int, figure: str) -> str:
    return f"{curve[count][figure]:.4g}" if count in curve else "-"
