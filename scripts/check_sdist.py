"""Builds the source distribution in an empty environment, as pip does for whoever has no wheel, and sees a kernel answer.

It must not install anything of the checkout but the archive, locked packages beside it, and must leave no process behind.
Cost: a Rust build, about a minute on two cores, and pip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scripts.environment import Environment


def main() -> int:
    """Check the archive named on the command line."""
    parser = argparse.ArgumentParser(description="an sdist, an empty environment, a kernel that answers")
    parser.add_argument("sdist", type=Path)
    sdist = parser.parse_args().sdist.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="check-sdist-") as folder:
        environment = Environment(Path(folder))
        environment.install(sdist, "ipykernel")
        with environment.server("jupyter_server") as server:
            print(server.one_plus_one(), end="", flush=True)
            active = server.said("kernelws", "is active")
            if not active:
                raise SystemExit(f"no log line says that kernelws is active:\n{server.log()}")
    print(f"{sdist.name}: built, installed, enabled\n{active[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
