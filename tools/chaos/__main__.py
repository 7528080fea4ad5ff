"""`python -m tools.chaos`: runs the rows, and prints the machine, the seed and the table.

Runs every row for every class that supports it, and fails if kernelws lost, reordered or misreported a message. Must not fail
for a time or a size, or because of the stock class.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import secrets
import sys
import time

from kernelws.cli.bench import machine
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, STOCK

from .. import program
from . import rows_disk, rows_kernel, rows_memory, rows_network, rows_requests, table
from .context import FULL, QUICK, Context, Row
from .outcome import Outcome
from .stage import NothingMoreError

ROWS = (*rows_network.ROWS, *rows_memory.ROWS, *rows_kernel.ROWS, *rows_disk.ROWS, *rows_requests.ROWS)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument("--classes", default="", help=f"comma-separated; both, with --quick only {KERNELWS}")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="regular expression, of names: " + _names())
    parser.add_argument("--seed", type=int, default=None, help="the seed of a run to repeat")
    parser.add_argument("--quick", action="store_true", help="a short run with few messages, for CI")
    options = parser.parse_args(arguments)
    options.classes = program.classes(parser, options.classes or (KERNELWS if options.quick else f"{STOCK},{KERNELWS}"))
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    return options


def _names() -> str:
    return ", ".join(row.name for row in ROWS)


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for."""
    options = parse(arguments)
    described = machine.describe()
    machine.pin()
    results: list[tuple[Row, str, Outcome]] = []
    begun = time.monotonic()
    try:
        _run(options, results)
    finally:
        # After ctrl-C too: prints the results so far
        ended = f"seed {options.seed}; {time.monotonic() - begun:.0f} s; {machine.load('end')}"
        print("\n".join([*(f"{line}  " for line in [*described, ended]), "", *table.render(results)]), flush=True)
    failed = [row.name for row, name, outcome in results if name == KERNELWS and outcome.failed]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; again with --seed {options.seed} --rows '^({'|'.join(failed)})$'")


def _run(options: argparse.Namespace, results: list[tuple[Row, str, Outcome]]) -> None:
    search = re.compile(options.rows).search
    scale = QUICK if options.quick else FULL
    with contextlib.ExitStack() as stack:
        contexts = {name: Context(name, options.seed, scale, stack) for name in options.classes}
        for row in ROWS:
            if not search(row.name):
                continue
            for name in options.classes:
                if name in row.classes:
                    note(f"{row.name}, {name}")
                    results.append((row, name, _outcome(row, contexts[name])))


def _outcome(row: Row, context: Context) -> Outcome:
    """Runs one row. If its client waits in vain, the row has failed, and the run continues with the next row."""
    outcome = Outcome()
    try:
        row.run(context, outcome)
    except (NothingMoreError, OSError) as error:
        outcome.problems.append(f"broken off: {error!r}")
    return outcome


if __name__ == "__main__":
    program.run(main)
