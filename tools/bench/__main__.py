"""`python -m tools.bench`: runs the plan, and prints the machine and the table.

Writes tools/bench/results/latest.md after a full run (all rows, both classes, not --quick). Must not fail because a target is
missed: the exit code is 1 for errors only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from kernelws.cli.bench import machine
from kernelws.cli.bench.groups import FULL, QUICK
from kernelws.cli.bench.runner import Runner, note
from kernelws.cli.bench.server import KERNELWS, STOCK

from .. import program
from . import targets
from .plan import BenchServer, selected

RESULTS = Path(__file__).parent / "results"
REPEATS = 5


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--classes", default=f"{STOCK},{KERNELWS}", help="comma-separated")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="regular expression")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--quick", action="store_true", help="a smoke test: one repeat with few messages")
    parser.add_argument("--growth", action="store_true", help="only the growth with kernels and clients, with a plot")
    parser.add_argument("--watched", action="store_true", help="only the cost of /metrics and the status page")
    parser.add_argument("--recorded", action="store_true", help="only what the journal adds to floods and at a low rate")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to this file")
    parser.add_argument(
        "--kernelws-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="passed to the kernelws server only, e.g. a trait as --Class.name=value",
    )
    options = parser.parse_args(arguments)
    options.classes = program.classes(parser, options.classes)
    return options


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for."""
    options = parse(arguments)
    described = machine.describe()
    machine.pin()
    if options.growth:
        from . import growth

        growth.main(options.classes, options.kernelws_option, RESULTS, options.quick)
        return
    if options.watched:
        from . import watched

        watched.main(options.quick)
        return
    if options.recorded:
        from . import recorded

        recorded.main(options.quick)
        return
    runner = Runner(options.classes, options.kernelws_option, QUICK if options.quick else FULL, BenchServer)
    begun, complete = time.monotonic(), False
    try:
        complete = _measure(options, runner)
    finally:
        # After ctrl-C too: prints the results so far
        ended = f"{_repeats(options)} repeat(s) a row, medians; {time.monotonic() - begun:.0f} s; {machine.load('end')}"
        _report(options, [*described, ended], runner, complete)
    if runner.failed:
        sys.exit(f"failed: {', '.join(runner.failed)}")


def _repeats(options: argparse.Namespace) -> int:
    return 1 if options.quick else int(options.repeats)


def _measure(options: argparse.Namespace, runner: Runner) -> bool:
    """Runs the selected groups; returns whether this was a full run without a failure."""
    if options.quick:
        runner.run_once(selected(options.rows))
    else:
        runner.run(selected(options.rows), options.repeats)
    return not (runner.failed or options.rows or options.quick or len(options.classes) < 2)


def _report(options: argparse.Namespace, about: list[str], runner: Runner, complete: bool) -> None:
    """Prints the table; writes the samples to --json, and after a full run the table to latest.md."""
    rows = [row for group in selected(options.rows) for row in group.rows]
    lines = [*(f"{line}  " for line in about), "", *targets.render(rows, runner.medians())]
    print("\n".join(lines))
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "samples": runner.samples}, indent=1))
    if complete:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latest.md").write_text("\n".join(lines) + "\n")
        note(f"written: {RESULTS / 'latest.md'}")


if __name__ == "__main__":
    program.run(main)
