"""`jupyter kernelws bench`: compares jupyter_server's class with kernelws on the user's machine.

Checks whether the benchmark can run here, runs the `plan`, and shows the results as a table, a text plot and a picture. Must not
measure by itself, leave a process behind, or let the exit code depend on a figure.
Cost: about two minutes, during which the machine should do nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import machine, plan, plot, table
from .groups import QUICK
from .runner import Runner, note
from .server import KERNELWS, STOCK

if TYPE_CHECKING:
    import argparse

NAME = "kernelws-bench"
NO_PICTURE = "no picture: matplotlib is not installed (pip install 'kernelws[bench]')"
BUSY = 1.0


def bench(options: argparse.Namespace) -> int:
    """Runs the benchmark and prints the results; returns the exit code: 1 if a measurement failed."""
    wrong = _unfit(Path(options.output))
    if wrong:
        print(f"jupyter kernelws bench: {wrong}", file=sys.stderr)
        return 1
    about, busy, before = machine.describe(), os.getloadavg()[0], os.sched_getaffinity(0)
    machine.pin()
    runner = Runner((STOCK, KERNELWS), (), QUICK if options.quick else plan.SCALE)
    begun = time.monotonic()
    try:
        if options.quick:
            runner.run_once(plan.PLAN)
        else:
            runner.run(plan.PLAN, plan.REPEATS)
    finally:
        os.sched_setaffinity(0, before)
    repeats = "one small repeat" if options.quick else f"medians of {plan.REPEATS}"
    about.append(f"stock is jupyter_server's own class; {repeats}; {time.monotonic() - begun:.0f} s")
    if busy > BUSY or len(before) < 2:
        note(f"the machine was busy (load {busy:.2f}) or has one core: the ratios are more reliable than the figures")
    if any(runner.samples.values()):
        _show(options, runner, about)
    if runner.failed:
        note(f"not measured: {', '.join(runner.failed)}")
    return int(bool(runner.failed))


def _unfit(folder: Path) -> str:
    """Why the benchmark cannot run here; empty if it can."""
    if not sys.platform.startswith("linux"):
        return f"the benchmark runs on Linux only, and this is {sys.platform}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{folder} cannot be created: {error.strerror}"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written"


def _show(options: argparse.Namespace, runner: Runner, about: list[str]) -> None:
    medians = runner.medians()
    shown = [row for row in plan.named(plan.SHOWN) if any(row.name in values for values in medians.values())]
    lost = _lost(medians)
    folder = Path(options.output).resolve()
    picture: Path | None = folder / f"{NAME}.png"
    try:
        plot.picture(shown, medians, "\n".join([*about, *lost]), folder / f"{NAME}.png")
    except ImportError:
        note(NO_PICTURE)
        picture = None
    result = _as_json(runner, about, picture)
    (folder / f"{NAME}.json").write_text(json.dumps(result, indent=1) + "\n")
    if options.json:
        print(json.dumps(result, indent=1))
        return
    block = "\N{FULL BLOCK}" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    lines = [*about, "", *table.render(shown, medians), "", *plot.bars(shown, medians, block), "", *lost]
    print("\n".join([*lines, f"every sample: {folder / NAME}.json"]))
    if picture:
        print(f"picture: {picture}")


def _lost(medians: dict[str, dict[str, float]]) -> list[str]:
    """A line for each class and group that lost messages. Their other figures count these as if they had arrived."""
    shares = [(name, row, medians[name].get(row.name, 1.0)) for name in medians for row in plan.named(plan.DELIVERED)]
    return [f"{name} delivered {share:.1%}: {row.title.rpartition(':')[0]}" for name, row, share in shares if share < 1]


def _as_json(runner: Runner, about: list[str], picture: Path | None) -> dict[str, Any]:
    medians = runner.medians()
    rows = []
    for row in plan.named((*plan.SHOWN, *plan.DELIVERED)):
        stock, ours = (medians[name].get(row.name) for name in (STOCK, KERNELWS))
        rows.append(
            {
                "name": row.name,
                "title": row.title,
                "unit": row.unit,
                "more_is_better": row.more_is_better,
                "stock": stock,
                "kernelws": ours,
                "ratio": ours / stock if stock and ours else None,
                "samples": {name: runner.samples[name].get(row.name, []) for name in (STOCK, KERNELWS)},
            }
        )
    return {"machine": about, "rows": rows, "failed": runner.failed, "picture": str(picture) if picture else None}
