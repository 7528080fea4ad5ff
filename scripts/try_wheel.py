"""Installs a wheel in an empty environment of this machine, and runs doctor, on any system that has a Python.

Checks that the receive path is the one that the system should have (``native`` or ``fallback``), that doctor's kernel answers in
both subprotocols, and that the extension of the browser is there. .github/workflows/wheels.yml runs it on each platform;
scripts/check_wheel.py checks more, on Linux only. Must not import kernelws or anything that is not in the standard library: it
runs where nothing is installed yet.
Cost: pip's, and ten seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

REASON = "from kernelws.sockets.transport import choose; print(choose().reason)"
STEPS = ("kernel_info", "reply", "stream", "malformed_frame")
"""What doctor's self-test must have found in order, in each subprotocol."""
BROWSER = "share/jupyter/labextensions/kernelws/package.json"
"""Where an environment has the extension of the browser."""


def installed(folder: Path, wheel: Path) -> Path:
    """Makes the environment and installs the wheel; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "--quiet", "install", str(wheel), "ipykernel")
    return python


def run(python: Path, *words: str) -> str:
    """Standard output of ``python words...``. Exits if it fails."""
    done = subprocess.run([str(python), *words], capture_output=True, text=True, check=False, cwd=python.parent)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def faults(report: dict[str, Any], expected: str) -> list[str]:
    """What in doctor's report is not as it should be."""
    verdicts = {check["name"]: check["verdict"] for check in report["checks"]}
    wanted = [f"{protocol}_{step}" for protocol in ("v1", "legacy") for step in STEPS]
    found = [f"{name} is {verdicts.get(name, 'missing')}" for name in wanted if verdicts.get(name) != "OK"]
    if report["receive"]["way"] != expected:
        found.append(f"the receive path is {report['receive']}, not {expected}")
    return found


def main() -> int:
    """Tries the wheel named on the command line."""
    parser = argparse.ArgumentParser(description="installs a wheel in an empty environment, and runs doctor")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--expect", choices=("native", "fallback"), required=True)
    options = parser.parse_args()
    wheel = options.wheel.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="try-wheel-", ignore_cleanup_errors=True) as folder:
        python = installed(Path(folder).resolve() / "venv", wheel)
        if not (python.parent.parent / BROWSER).exists():
            raise SystemExit("the wheel contains no built browser extension")
        reason = run(python, "-c", REASON).strip()
        if not reason.startswith(options.expect):
            raise SystemExit(f"the reason does not begin with {options.expect}: {reason}")
        report = json.loads(run(python, "-m", "kernelws.cli", "doctor", "--json"))
    found = faults(report, options.expect)
    if found:
        raise SystemExit("\n".join(found))
    print(f"{wheel.name} on {report['versions']['os']}, Python {report['versions']['python']}: {reason}")
    print("doctor:", report["verdict"], *report["system"], sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
