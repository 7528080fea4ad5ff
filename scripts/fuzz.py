"""Runs the tests' fuzz bodies for a given time, with new seeds each round: ``make fuzz FUZZ_SECONDS=600``.

A body is a function of ``tests/parity`` or ``tests/unit`` that the test suite also runs, with few examples. Each round runs all
bodies, so that a short run covers them all. Prints how many examples ran, and which tolerated differences occurred. After a
failure, prints the smallest example and the command that reproduces it, and exits with 1.
"""

import argparse
import importlib
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hypothesis import given, seed  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402

from tests.parity import divergences, registry  # noqa: E402

FOLDERS = ("tests/parity", "tests/unit")


def load_bodies() -> None:
    """Imports the test modules that register bodies."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("test_*.py")):
            if "registry" in path.read_text():
                importlib.import_module(f"{folder.replace('/', '.')}.{path.stem}")


def run(name: str, number: int, counts: Counter[str]) -> None:
    """Runs one body with one seed."""
    if name in registry.MACHINES:
        machine = registry.MACHINES[name]
        run_state_machine_as_test(seeded(machine, number), settings=registry.ROUND)
        counts[name] += registry.ROUND.max_examples
        return
    body, strategies = registry.BODIES[name]

    def counted(**arguments: Any) -> None:
        counts[name] += 1
        body(**arguments)

    counted.__name__ = name
    seed(number)(registry.ROUND(given(**strategies)(counted)))()


def seeded(machine: type, number: int) -> Any:
    """A subclass of the state machine with this seed; hypothesis reads the seed from the class."""
    return seed(number)(type(machine.__name__, (machine,), {}))


def fuzz(seconds: float, only: str | None, number: int | None) -> int:
    counts: Counter[str] = Counter()
    names = sorted(name for name in (*registry.BODIES, *registry.MACHINES) if only in (None, name))
    if not names:
        print(f"no body is named {only}; the names are {', '.join(sorted((*registry.BODIES, *registry.MACHINES)))}")
        return 2
    status, end = 0, time.monotonic() + seconds
    while status == 0 and time.monotonic() < end:
        for name in names:
            if time.monotonic() >= end and counts[name]:
                break
            seed_of_round = number if number is not None else random.SystemRandom().getrandbits(32)
            try:
                run(name, seed_of_round, counts)
            except Exception:  # noqa: BLE001 - whatever a body or the code under it raises is a finding
                traceback.print_exc()
                print(f"\nto reproduce: {sys.executable} scripts/fuzz.py --only {name} --seed {seed_of_round}")
                status = 1
        if number is not None:
            break
    report(counts)
    return status


def report(counts: Counter[str]) -> None:
    for name, count in sorted(counts.items()):
        print(f"{count:9,}  {name}")
    met = ", ".join(f"{name} {count:,}" for name, count in divergences.MET.most_common())
    print(f"{counts.total():9,}  examples; tolerated differences: {met or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="duration (default: 60); each body runs at least once")
    parser.add_argument("--only", help="the name of one body")
    parser.add_argument("--seed", type=int, help="run one round with this seed")
    options = parser.parse_args()
    load_bodies()
    return fuzz(options.seconds, options.only, options.seed)


if __name__ == "__main__":
    sys.exit(main())
