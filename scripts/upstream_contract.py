"""Runs jupyter_server's own tests of kernels and sessions, unchanged, with kernelws's class in place of the stock class.

Must not edit upstream's tests, or use those of another release: pip downloads the source distribution of the installed
jupyter_server to .cache/upstream.

Two pytest runs at the same time set the class in two ways: by name, and through the extension (see tests/upstream/plugin.py).
Each must have instantiated the class. Upstream's tests have time limits that a busy machine misses, so failed tests run once more
by themselves; only tests that fail again fail the run.
Cost: about three minutes, mostly waiting, and 25 s of CPU time a run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PLUGIN_FOLDER = ROOT / "tests" / "upstream"
CACHE = ROOT / ".cache" / "upstream"
TESTS = ["tests/services/kernels", "tests/services/sessions/test_api.py", "tests/test_serialize.py"]
MODES = ["name", "extension"]
# tornado 6.6 deprecates how upstream's test_connection.py makes a request, and upstream's warnings are errors
TORNADO_DEPRECATIONS = [
    "The method, uri, and version arguments to HTTPServerRequest are deprecated",
    "The start_line argument to HTTPServerRequest will be required",
]
LIMIT_SECONDS = 900
PYTEST_TESTS_FAILED = 1
SUMMARY = re.compile(r"was instantiated \d+ times|^\d+ (passed|failed).* in ")


def fetch(package: str, release: str) -> Path:
    """The folder of a package's unpacked source distribution. `package` is spelled as in the archive's name."""
    folder = CACHE / f"{package}-{release}"
    archive = CACHE / f"{package}-{release}.tar.gz"
    if not archive.exists():
        download(package, release)
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as unpacked, tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
            (Path(unpacked) / folder.name).rename(folder)
    return folder


def download(package: str, release: str) -> None:
    """Downloads the archive with pip."""
    CACHE.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--no-deps", "--no-binary", package, "--dest", str(CACHE)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{package}=={release}"], check=True)


class Run:
    """One pytest run with one way to set the class, and its log."""

    def __init__(self, folder: Path, mode: str, pytest_args: Sequence[str]) -> None:
        self.folder, self.mode, self.pytest_args = folder, mode, pytest_args
        self.name = f"{folder.name}-{mode}"
        # With the process id, because two of these programs may run at the same time
        self.log = CACHE / f"{self.name}-{os.getpid()}.log"
        self.cache = self.log.with_suffix(".cache")

    def command(self, *more: str) -> list[str]:
        """The pytest command, with upstream's configuration."""
        ignored = [word for text in TORNADO_DEPRECATIONS for word in ("-W", f"ignore:{text}:DeprecationWarning")]
        # addopts: upstream's would print ten durations and all local variables
        # no:asyncio: upstream does not use pytest-asyncio; pytest-jupyter runs the coroutine tests
        options = ["-q", "--color=no", "--tb=short", "-o", "addopts=", "-p", "no:asyncio", "-p", "plugin"]
        cache = ["-o", f"cache_dir={self.cache}", *more]
        return [sys.executable, "-m", "pytest", *options, *cache, *ignored, *(self.pytest_args or TESTS)]

    def start(self, *more: str, **variables: str) -> subprocess.Popen[bytes]:
        """Starts pytest, with the plugin on its path and without this user's Jupyter configuration."""
        extent = "part" if self.pytest_args else "whole"
        plugin = {"KERNELWS_CONTRACT_MODE": self.mode, "KERNELWS_CONTRACT_RUN": extent}
        jupyter = {"PYTHONPATH": str(PLUGIN_FOLDER), "JUPYTER_PLATFORM_DIRS": "1", "JUPYTER_NO_CONFIG": "1"}
        environment = os.environ | plugin | jupyter | variables
        with self.log.open("ab") as out:
            return subprocess.Popen(self.command(*more), cwd=self.folder, env=environment, stdout=out, stderr=subprocess.STDOUT)

    def again(self) -> int:
        """Runs the failed tests again, by themselves; returns the exit code."""
        print(f"-- {self.name}: some tests failed and run again by themselves:", flush=True)
        print("\n".join(line for line in self.lines() if line.startswith(("FAILED", "ERROR"))), flush=True)
        return wait([self.start("--lf", "--lfnf=none", KERNELWS_CONTRACT_RUN="again")])[0]

    def lines(self) -> list[str]:
        """The lines of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    def report(self, code: int) -> None:
        """Moves the log to its final name. Prints the summary, or the log if the run failed."""
        shutil.rmtree(self.cache, ignore_errors=True)
        self.log = self.log.replace(CACHE / f"{self.name}.log")
        verdict = "passed" if code == 0 else f"FAILED ({code})"
        print(f"-- {self.name}: {verdict}, log: {self.log.relative_to(ROOT)}")
        shown = [line for line in self.lines() if not line.startswith(("DEBUG", "INFO"))]
        summary = [line for line in shown if SUMMARY.search(line)]
        print("\n".join(summary if code == 0 else shown), flush=True)


def run_modes(runs: Sequence[Run]) -> bool:
    """Runs all at the same time, then failed tests again, one run after the other, and reports. Returns whether all passed."""
    codes = wait([run.start() for run in runs])
    for number, run in enumerate(runs):
        if codes[number] == PYTEST_TESTS_FAILED:
            codes[number] = run.again()
        run.report(codes[number])
    return not any(codes)


def wait(processes: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Waits for all processes, and returns their exit codes. If one hangs, kills all and raises subprocess.TimeoutExpired."""
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        return [process.wait(deadline - time.monotonic()) for process in processes]
    finally:
        for process in processes:
            process.kill()


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description="jupyter_server's own tests with kernelws's class")
    parser.add_argument("--mode", choices=MODES, help="set the class in this way only")
    parser.add_argument("pytest_args", nargs="*", help="pytest arguments instead of all tests, after --")
    args = parser.parse_args()
    release = version("jupyter_server")
    chosen = os.environ.get("KERNELWS_CONTRACT_CLASS", "kernelws's class")
    print(f"jupyter_server {release}: its own tests with {chosen}", flush=True)
    modes = [args.mode] if args.mode else MODES
    folder = fetch("jupyter_server", release)
    return 0 if run_modes([Run(folder, mode, args.pytest_args) for mode in modes]) else 1


if __name__ == "__main__":
    sys.exit(main())
