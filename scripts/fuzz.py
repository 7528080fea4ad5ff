"""Runs the parity tests (upstream and ours, the same message through both) with new seeds until the time is up.

It must not be part of the quick tests: it has no end of its own. Each round is one pytest run with its own seed,
which is printed, so that a failure can be run again. The last round is finished, not cut off: a failure that is being
shrunk would be lost. Cost: as long as it is told and at most one round more, one core.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/parity"


def run_round(seed: int, pytest_args: list[str]) -> int:
    """The exit code of one pytest run with this seed; scripts/fuzz_profile.py gives it more examples."""
    plugins = ["-p", "scripts.fuzz_profile", "-p", "no:cacheprovider"]
    options = ["-q", "--durations=0", "--timeout=0", f"--hypothesis-seed={seed}"]
    command = [sys.executable, "-m", "pytest", *plugins, *options, *(pytest_args or [TESTS])]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main() -> int:
    """Rounds until the time is up or one fails."""
    parser = argparse.ArgumentParser(description="the parity tests with ever new seeds")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="run one round with this seed")
    parser.add_argument("pytest_args", nargs="*")
    args = parser.parse_args()
    if args.seed is not None:
        return run_round(args.seed, args.pytest_args)
    deadline = time.monotonic() + args.seconds
    rounds = 0
    while (left := deadline - time.monotonic()) > 0:
        seed = random.SystemRandom().randrange(2**32)
        rounds += 1
        print(f"-- round {rounds}, seed {seed}, {left:.0f} s left", flush=True)
        if code := run_round(seed, args.pytest_args):
            print(f"-- again: python scripts/fuzz.py --seed {seed}")
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
