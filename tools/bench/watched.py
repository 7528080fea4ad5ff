"""Measures the cost of /metrics and the status page, each requested once a second.

First the CPU time per message of a flood, with and without both, in turns on one server, so that a change in the machine's speed
affects both. Then the load of a server with 200 kernels and 1,000 sessions (`crowd`): without a viewer, with the board's timer,
with the page's data requested, and with the page open in Chromium, if that and playwright are installed. Must not assert.
Cost: three minutes.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import threading
import time
import urllib.error
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Self

from kernelws.cli.bench import machine
from kernelws.cli.bench.groups import FULL, QUICK, attached, flood
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, Server
from kernelws.cli.child import children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernelws.cli.child import Address

ROOT = Path(__file__).resolve().parents[2]
PERIOD = 1.0
SHARES = (0.0, 0.1, 1.0)
COLUMNS = ("no viewer, no plots", "no viewer", "page", "page and /metrics")


class Watcher:
    """A thread that sends the requests of the page and of Prometheus, over one connection. `size` is the bytes of the page's last
    answer."""

    def __init__(self, address: Address, *, page: bool = True, metrics: bool = True) -> None:
        self._address, self._page, self._metrics = address, page, metrics
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.size = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._address.port, timeout=60)
        histories = "?histories=1"
        while not self._end.wait(PERIOD):
            if self._page:
                self.size = len(self._get(connection, f"/kernelws/api/status{histories}"))
                histories = ""
            if self._metrics:
                self._get(connection, "/metrics")

    def _get(self, connection: http.client.HTTPConnection, path: str) -> bytes:
        connection.request("GET", path, headers={"Authorization": f"token {self._address.token}"})
        return connection.getresponse().read()


class CrowdServer(Server):
    """A server with the extension `crowd`."""

    def extensions(self) -> dict[str, bool]:
        """kernelws's extension, and the crowd."""
        return {**super().extensions(), "tools.bench.crowd": True}

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "PYTHONPATH": str(ROOT)}

    def set(self, share: float, board: bool) -> None:
        """Sets the share of sessions that get messages, and whether the board's timer runs. Waits until the crowd exists."""
        while True:
            with contextlib.suppress(urllib.error.HTTPError):
                self.request("GET", f"/bench/crowd?share={share}&board={int(board)}")
                return
            time.sleep(0.1)


@contextlib.contextmanager
def log_on_failure(server: Server) -> Iterator[None]:
    """Prints the end of the server's log if a measurement fails, before the log is deleted."""
    try:
        yield
    except Exception:
        note(f"--- the server's log ends with\n{server.log_text()[-4000:]}")
        raise


def main(quick: bool) -> None:
    """Measures, and prints both tables."""
    print("\n".join([*(f"{line}  " for line in machine.describe()), "", *_messages(quick), "", *_crowd(quick)]))


def _messages(quick: bool) -> list[str]:
    repeats, scale = (1, QUICK) if quick else (9, FULL)
    plain: list[float] = []
    watched: list[float] = []
    with Server(KERNELWS) as server, log_on_failure(server), attached(server, 1) as stage:
        flood(server, [stage], scale.pilot, 100)
        for repeat in range(repeats):
            note(f"watched flood {repeat + 1}/{repeats}")
            for samples in (plain, watched) if repeat % 2 else (watched, plain):
                with Watcher(server.address) if samples is watched else contextlib.nullcontext():
                    samples.append(1e6 * flood(server, [stage], 4 * scale.most, 100).cpu / (4 * scale.most))
    share = median([b / a - 1 for a, b in zip(plain, watched, strict=True)])
    return [
        "| v1, 1 client, 100 bytes: server CPU a message | us |",
        "|---|---:|",
        f"| not watched | {median(plain):.3f} |",
        f"| /metrics and page once a second | {median(watched):.3f} |",
        f"| more, median of {repeats} pairs | {100 * share:.1f} % (at most 2 %) |",
    ]


def _crowd(quick: bool) -> list[str]:
    seconds = 3.0 if quick else 20.0
    lines = [
        "| 200 kernels, 1,000 sessions, server CPU, % of a core | "
        + " | ".join(COLUMNS)
        + " | answer | page, of which its own |",
        "|---|" + "---:|" * (len(COLUMNS) + 2),
    ]
    with CrowdServer(KERNELWS) as server, log_on_failure(server):
        for share in SHARES:
            note(f"crowd, {share:.0%} active")
            figures, size = _watch(server, share, seconds)
            own = f"{figures[2] - figures[0]:.2f} (under 5)"
            cells = [f"{figure:.2f}" for figure in figures]
            lines.append(f"| {share:.0%} change every second | " + " | ".join([*cells, f"{size / 1024:.0f} KiB", own]) + " |")
        lines += ["", *_in_chromium(server, seconds)]
    return lines


def _watch(server: CrowdServer, share: float, seconds: float) -> tuple[list[float], int]:
    figures: list[float] = []
    sent = 0
    for board, page, metrics in ((False, False, False), (True, False, False), (True, True, False), (True, True, True)):
        server.set(share, board)
        with Watcher(server.address, page=page, metrics=metrics) as watcher:
            time.sleep(2.5)
            figures.append(_load(server.cpu, seconds))
        sent = max(sent, watcher.size)
    return figures, sent


def _load(cpu: Callable[[], float], seconds: float) -> float:
    """Measures the load for `seconds`, in per cent of a core."""
    before, begun = cpu(), time.perf_counter()
    time.sleep(seconds)
    return 100 * (cpu() - before) / (time.perf_counter() - begun)


def _in_chromium(server: CrowdServer, seconds: float) -> list[str]:
    lines = ["| page open in Chromium, % of a core | server, its own | Chromium |", "|---|---:|---:|"]
    for share in SHARES:
        server.set(share, True)
        with _page(server) as opened:
            if not opened:
                return ["Chromium or playwright is not installed: not measured in a browser."]
            time.sleep(5.0)
            before, begun = _others_cpu(server), time.perf_counter()
            open_ = _load(server.cpu, seconds)
            chromium = 100 * (_others_cpu(server) - before) / (time.perf_counter() - begun)
        server.set(share, False)
        time.sleep(2.5)
        alone = _load(server.cpu, seconds)
        lines.append(f"| {share:.0%} change every second | {open_ - alone:.2f} | {chromium:.1f} |")
    return lines


def _others_cpu(server: Server) -> float:
    """CPU seconds of the processes that this one has started, without the server: the browser and its driver."""
    total = 0.0
    for pid in descendants(os.getpid()) - descendants(server.pid) - {server.pid}:
        with contextlib.suppress(OSError):
            total += machine.cpu_seconds(pid)
    return total


def descendants(pid: int) -> set[int]:
    """The process ids of all descendants of `pid`."""
    below = children(pid)
    return set(below).union(*map(descendants, below))


@contextlib.contextmanager
def _page(server: Server) -> Iterator[bool]:
    """Opens the page in Chromium. Yields False if that or playwright is not installed."""
    with contextlib.ExitStack() as stack:
        try:
            from ..chromium import chromium

            browser = stack.enter_context(chromium())
        except (ImportError, FileNotFoundError):
            yield False
            return
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.goto(f"http://127.0.0.1:{server.address.port}/kernelws?token={server.address.token}")
        opened.wait_for_selector("tbody tr")
        yield True
