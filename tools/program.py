"""Runs the `main` function of a developers' program, and parses its option for classes.

SIGINT and SIGTERM both raise KeyboardInterrupt, so that all servers are ended. Must not know what the program does. Cost: none.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from kernelws.cli.bench.server import KERNELWS, STOCK

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

INTERRUPTED = 130


def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Runs `main` with the command line's arguments, and exits with the code that it returns."""
    # Background jobs of a shell ignore SIGINT by default
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def classes(parser: argparse.ArgumentParser, names: str) -> list[str]:
    """The classes of a comma-separated option. Exits with a usage error for an unknown class."""
    found = names.split(",")
    if not set(found) <= {STOCK, KERNELWS}:
        parser.error(f"--classes takes {STOCK} and {KERNELWS}")
    return found


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
