"""`python -m tests.reload`: reloads of a notebook while it runs, and other stories of pages; stock and kernelws in one table.

Prints the seed, so that a run can be repeated. The exit code says whether something was wrong with kernelws. Must not judge
stock.
Cost: with all fronts an hour; `--front lab --reloads 10 --rows NONE` two minutes.
"""

from __future__ import annotations

import argparse
import functools
import random
import re
import secrets
import sys
from typing import TYPE_CHECKING

from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, STOCK
from tools.chromium import chromium

from . import cells, figure, rows, widgets
from .apart import PLACES
from .servers import FRONTS, server_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

ROWS = (*rows.ROWS, *cells.ROWS, *widgets.ROWS)
STEPS = (60, 0.1)
RELOADS_A_RUN = 15
"""Stock has one run: it loses output in each."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.reload", description=__doc__)
    parser.add_argument("--front", action="append", choices=sorted(FRONTS), help="default: all that are installed")
    parser.add_argument("--reloads", type=int, default=100, help="reloads of the running notebook in each front end; 0: none")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--rows", default=".", metavar="PATTERN", help=f"of {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--places", default=".", metavar="PATTERN", help=f"of {', '.join(place.name for place in PLACES)}")
    parser.add_argument("--only", choices=(STOCK, KERNELWS), help="one class")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs all that was asked for; prints a line as soon as it is known."""
    options = parse(arguments)
    names = [options.only] if options.only else [STOCK, KERNELWS]
    failed = 0
    with chromium() as browser:
        print(
            f"Chromium {browser.version}, seed {options.seed}\n\n| front | what | {STOCK} | {KERNELWS} |\n|---|---|---|---|",
            flush=True,
        )
        for front in options.front or sorted(name for name, kind in FRONTS.items() if kind.installed()):
            title = FRONTS[front].title()
            if options.reloads:
                found = {name: _figure(browser, front, name, options.seed, options.reloads) for name in names}
                ours = found.get(KERNELWS, figure.Result())
                failed += bool(ours.different)
                _line(title, "reloads while it runs", {name: str(result) for name, result in found.items()})
                _notes(ours.notes)
            for row in (row for row in ROWS if re.search(options.rows, row.name)):
                told = {name: _tell(browser, front, name, row, options.seed) for name in names}
                failed += bool(told.get(KERNELWS))
                _line(title, row.title, {name: "; ".join(wrong)[:160] or "as without" for name, wrong in told.items()})
                _notes(told.get(KERNELWS, []))
        for place in (place for place in PLACES if re.search(options.places, place.name) and place.installed()):
            wrong = _attempt(functools.partial(place.visit, browser))
            failed += bool(wrong)
            _line(place.title, "does nothing, and says so once", {KERNELWS: "; ".join(wrong) or "as without"})
            _notes(wrong)
    return int(failed > 0)


def _line(front: str, title: str, found: dict[str, str]) -> None:
    print(f"| {front} | {title} | {' | '.join(found.get(name, '') for name in (STOCK, KERNELWS))} |", flush=True)


def _notes(notes: list[str]) -> None:
    for text in notes:
        note(text)


def _figure(browser: Browser, front: str, name: str, seed: int, reloads: int) -> figure.Result:
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    total = figure.Result()
    wanted = min(reloads, RELOADS_A_RUN) if name == STOCK else reloads
    with server_of(front, name) as server:
        reference, _ = figure.run(browser, server, STEPS, rng, reloads=0)
        while total.reloads < wanted:
            saved, done = figure.run(browser, server, STEPS, rng, reloads=min(RELOADS_A_RUN, wanted - total.reloads))
            result = figure.compare(reference, saved)
            result.reloads = done
            total.add(result)
            note(f"{front} {name}: {total}")
    return total


def _tell(browser: Browser, front: str, name: str, row: rows.Row, seed: int) -> list[str]:
    def tell() -> list[str]:
        with server_of(front, name, row.ours if name == KERNELWS else ()) as server:
            return row.tell(browser, server, seed)

    return _attempt(tell)


def _attempt(tell: Callable[[], list[str]]) -> list[str]:
    try:
        return tell()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are still of use
        return [f"gave up: {str(error).splitlines()[0]}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
