"""`python -m tests.browser`: the tests in a real JupyterLab, then a table of the times that a user waits.

Runs pytest on this folder, measures the rows with both classes, and prints one table of medians. Must not fail because a target
is missed: only failed tests and errors set the exit code. Cost: five minutes; with --quick, for CI, under two.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from kernelws.cli.bench import machine
from kernelws.cli.bench.runner import note
from kernelws.cli.bench.server import KERNELWS, STOCK
from tools.bench import targets
from tools.chromium import chromium

from .lab import LabServer
from .rows import SCENES, TARGETS

REPEATS = 3
HERE = Path(__file__).resolve().parent


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repeat of small notebooks")
    parser.add_argument("--rows", default="", metavar="PATTERN", help=f"of {', '.join(scene.row.name for scene in SCENES)}")
    parser.add_argument("--only", choices=("tests", "table"), help="the other one is left out")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Tests first: the table means little when they fail."""
    options = parse(arguments)
    failed = 0
    if options.only != "table":
        environment = {**os.environ, "KERNELWS_BROWSER": "1"}
        failed = subprocess.run([sys.executable, "-m", "pytest", HERE], env=environment, check=False).returncode
    if options.only != "tests":
        print("\n".join(_table(options.rows, 1 if options.quick else REPEATS, options.quick)))
    return failed


def _table(pattern: str, repeats: int, quick: bool) -> list[str]:
    scenes = [scene for scene in SCENES if re.search(pattern, scene.row.name)]
    samples: dict[str, dict[str, list[float]]] = {STOCK: {}, KERNELWS: {}}
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium())
        servers = [stack.enter_context(LabServer(name)) for name in samples]
        for scene in scenes:
            for repeat in range(repeats):
                for server in servers:
                    note(f"{scene.row.name} {repeat + 1}/{repeats} {server.name}")
                    seconds = scene.measure(browser, server, quick)
                    samples[server.name].setdefault(scene.row.name, []).append(seconds)
        version = browser.version
    medians = {name: {row: median(values) for row, values in rows.items()} for name, rows in samples.items()}
    about = f"JupyterLab in Chromium {version}, {repeats} repeat(s), medians{', small notebooks' if quick else ''}"
    # The third line of the description says which cores are used; here nothing is pinned to a core.
    lines = [*machine.describe()[:2], f"{about}; {machine.load('end')}"]
    return [*(f"{line}  " for line in lines), "", *targets.render([scene.row for scene in scenes], medians, TARGETS)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
