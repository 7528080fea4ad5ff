"""Tests a source distribution in an empty environment: builds and installs it with pip, and runs a kernel through it.

Must not install anything from the checkout but the archive; other packages are installed as locked. Must leave no process
behind. Cost: a Rust build, about a minute on two cores, and pip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scripts.environment import Environment
from scripts.try_wheel import BROWSER


def main() -> int:
    """Checks the archive named on the command line."""
    parser = argparse.ArgumentParser(description="builds an sdist in an empty environment, and runs a kernel through it")
    parser.add_argument("sdist", type=Path)
    sdist = parser.parse_args().sdist.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="check-sdist-") as folder:
        environment = Environment(Path(folder))
        environment.install(sdist, "ipykernel")
        if not (environment.folder / "venv" / BROWSER).exists():
            raise SystemExit("the sdist contains no built browser extension")
        with environment.server("jupyter_server") as server:
            print(server.one_plus_one(), end="", flush=True)
            active = server.log_lines("kernelws", "is active")
            if not active:
                raise SystemExit(f"no log line says that kernelws is active:\n{server.log()}")
    print(f"{sdist.name}: built, installed, enabled\n{active[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
