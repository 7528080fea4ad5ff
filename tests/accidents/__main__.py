"""`python -m tests.accidents`: every accident in JupyterLab and Notebook 7, with stock and kernelws, as one table.

Runs the two classes in turn, so that a change in the machine's load affects both. Prints what users saw and which class is
worse. Must not stop when an accident goes wrong, because that is a result too. The exit code is 1 if a row is worse with
kernelws than with stock. Cost: about half a minute for each run, class and row.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from kernelws.cli.bench import machine
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, STOCK
from tools import program
from tools.chromium import chromium

from . import kernel, network, server
from .servers import LAB, NOTEBOOK, NoDiskError, Servers
from .stage import perform
from .verdict import WORSE, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser

    from .seen import Seen
    from .stage import Accident

RUNS = 5
FRONTS = {LAB: (LAB,), NOTEBOOK: (NOTEBOOK,), "both": (LAB, NOTEBOOK)}
HEAD = ("| accident | front end | stock | kernelws | verdict |", "|---|---|---|---|---|")
ACCIDENTS = (*kernel.ACCIDENTS, *network.ACCIDENTS, *server.ACCIDENTS)
TELLING = ("dies-in-cell", "restart-elsewhere", "cut", "cut-at-prompt", "interrupt-text", "two-tabs-restart")
"""The rows of a quick run."""


class Row:
    """One line of the table: an accident in one front end, and what users saw with each class."""

    def __init__(self, accident: Accident, front: str, names: Sequence[str]) -> None:
        self.accident, self.front = accident, front
        self.runs: dict[str, list[Seen]] = {name: [] for name in names}
        self.skipped = ""

    def perform(self, browser: Browser, servers: Servers, runs: int) -> None:
        """Runs the accident `runs` times with each class, the classes in turn."""
        with contextlib.ExitStack() as stack:
            try:
                running = {name: servers.get(self.accident, self.front, name, stack) for name in self.runs}
            except NoDiskError as error:
                self.skipped = str(error)
                return
            for number in range(runs):
                for name, seen in self.runs.items():
                    seen.append(perform(browser, running[name], self.accident))
                    note(f"{self.accident.name} {self.front} {number + 1}/{runs} {name}: {_summary(seen[-1:])}")

    @property
    def verdict(self) -> str:
        """How kernelws compares with stock; empty if one of them did not run."""
        if self.skipped:
            return f"not measured: {self.skipped}"
        both = len(self.runs) == 2 and all(self.runs.values())
        return verdict(self.runs[STOCK], self.runs[KERNELWS]) if both else ""

    def line(self) -> str:
        """The row as a line of a Markdown table."""
        seen = [_summary(self.runs.get(name, [])) for name in (STOCK, KERNELWS)]
        return "| " + " | ".join([self.accident.title, self.front, *seen, self.verdict]) + " |"


def _summary(runs: Sequence[Seen]) -> str:
    """The medians: counts that are not zero, and the time."""
    if not runs:
        return ""
    middle = {label: median(seen.counts()[label] for seen in runs) for label in runs[0].counts()}
    counts = [f"{number:g} {label}" for label, number in middle.items() if number]
    return ", ".join([*counts, f"{median(seen.seconds for seen in runs):.1f} s"])


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.accidents", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of every row with every class ({RUNS})")
    names = ", ".join(accident.name for accident in ACCIDENTS)
    parser.add_argument("--rows", default="", metavar="PATTERN", help=f"regular expression, of {names}")
    parser.add_argument("--front", choices=sorted(FRONTS), default="both", help="JupyterLab, Notebook 7, or both")
    parser.add_argument("--only", choices=(STOCK, KERNELWS), help="one class, and so no verdict")
    parser.add_argument("--quick", action="store_true", help="one run of the most telling rows in JupyterLab")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run, with what dialogs and errors said")
    options = parser.parse_args(arguments)
    if options.quick:
        options.runs, options.front = 1, LAB
        options.rows = options.rows or f"^({'|'.join(TELLING)})$"
    return options


def main(arguments: list[str]) -> int:
    """Run what the command line asks for."""
    options = parse(arguments)
    names = [options.only] if options.only else [STOCK, KERNELWS]
    chosen = [accident for accident in ACCIDENTS if re.search(options.rows, accident.name)]
    rows: list[Row] = []
    try:
        with chromium() as browser, Servers() as servers:
            for accident in chosen:
                for front in FRONTS[options.front]:
                    rows.append(Row(accident, front, names))
                    rows[-1].perform(browser, servers, options.runs)
    finally:
        # After ctrl-C too: what was seen until then is shown.
        about = f"{options.runs} run(s), medians; {machine.load('end')}"
        print("\n".join([*(f"{line}  " for line in [*machine.describe()[:2], about]), "", *HEAD, *map(Row.line, rows)]))
        if options.json:
            options.json.write_text(json.dumps([_record(row) for row in rows], indent=1))
    return int(any(row.verdict.startswith(f"**{WORSE}") for row in rows))


def _record(row: Row) -> dict[str, object]:
    runs = {name: [asdict(seen) for seen in seen_runs] for name, seen_runs in row.runs.items()}
    return {"accident": row.accident.name, "front": row.front, "verdict": row.verdict, "runs": runs}


if __name__ == "__main__":
    program.run(main)
