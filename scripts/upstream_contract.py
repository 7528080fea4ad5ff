"""Runs jupyter_server's own tests of kernels and sessions, unchanged, with our class in place of the stock one.

It must not edit upstream's tests, nor run on another release's: they come from the source distribution of the very
jupyter_server that this interpreter has (fetched once into .cache/upstream, by pip, as pip is configured).

Strategy: two pytest runs at the same time, one that puts the class in by name and one through the extension
(tests/upstream/plugin.py says how); each must have instantiated the class. Most of a run is waiting.
Cost: about three minutes, some 25 s of CPU a run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
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


def fetch(release: str) -> Path:
    """The unpacked source distribution of ``release``."""
    folder = CACHE / f"jupyter_server-{release}"
    archive = CACHE / f"jupyter_server-{release}.tar.gz"
    if not archive.exists():
        download(release)
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(CACHE, filter="data")
    return folder


def download(release: str) -> None:
    """Let pip fetch the archive."""
    CACHE.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--no-deps", "--no-binary", "jupyter_server", "--dest", str(CACHE)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, f"jupyter_server=={release}"], check=True)


def command(pytest_args: Sequence[str]) -> list[str]:
    """The command line of one pytest run, in upstream's own configuration."""
    ignored = [word for text in TORNADO_DEPRECATIONS for word in ("-W", f"ignore:{text}:DeprecationWarning")]
    # addopts: upstream's show ten durations and every local variable.
    # no:asyncio: pytest-asyncio is in our environment, not in upstream's; pytest-jupyter runs the coroutine tests
    options = ["-q", "--color=no", "--tb=short", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    return [sys.executable, "-m", "pytest", *options, "-p", "plugin", *ignored, *(pytest_args or TESTS)]


def environment(mode: str) -> dict[str, str]:
    """The plugin can be imported, and no configuration of this user reaches the tests."""
    return os.environ | {
        "PYTHONPATH": str(PLUGIN_FOLDER),
        "KERNELWS_CONTRACT_MODE": mode,
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_NO_CONFIG": "1",
    }


def run_all(folder: Path, modes: Sequence[str], pytest_args: Sequence[str]) -> bool:
    """Run each mode at the same time, show their reports one after the other; whether all passed."""
    logs = {mode: CACHE / f"{folder.name}-{mode}.log" for mode in modes}
    running = {}
    for mode, log in logs.items():
        with log.open("wb") as out:
            running[mode] = subprocess.Popen(
                command(pytest_args), cwd=folder, env=environment(mode), stdout=out, stderr=subprocess.STDOUT
            )
    try:
        codes = wait(running)
    finally:
        for process in running.values():
            process.kill()
    for mode, log in logs.items():
        report(folder.name, mode, codes[mode], log)
    return not any(codes.values())


def wait(running: dict[str, subprocess.Popen[bytes]]) -> dict[str, int]:
    """The exit codes. Raises subprocess.TimeoutExpired for a run that hangs."""
    deadline = time.monotonic() + LIMIT_SECONDS
    return {mode: process.wait(deadline - time.monotonic()) for mode, process in running.items()}


def report(release: str, mode: str, code: int, log: Path) -> None:
    """The whole log of a failed run; of one that passed, its last lines, where pytest and the plugin sum up."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print(f"-- {release}, by {mode}: {'passed' if code == 0 else f'FAILED ({code})'}, log: {log.relative_to(ROOT)}")
    print("\n".join(lines[-2:] if code == 0 else lines), flush=True)


def main() -> int:
    """Run as asked for on the command line."""
    parser = argparse.ArgumentParser(description="jupyter_server's own tests against our class")
    parser.add_argument("--mode", choices=MODES, help="only this way of putting the class in")
    parser.add_argument("pytest_args", nargs="*", help="pytest arguments instead of the whole set, after --")
    args = parser.parse_args()
    release = version("jupyter_server")
    chosen = os.environ.get("KERNELWS_CONTRACT_CLASS", "our class")
    print(f"jupyter_server {release}: its own tests with {chosen}", flush=True)
    modes = [args.mode] if args.mode else MODES
    return 0 if run_all(fetch(release), modes, args.pytest_args) else 1


if __name__ == "__main__":
    sys.exit(main())
