"""Runs tests against kernelws's wheel with other Pythons, and with the oldest or the newest release of each dependency.

For each interpreter and each end an environment is made in .cache/matrix. Oldest: the lowest releases that pyproject.toml
allows and that have a wheel for that interpreter. Newest: what the index has. A free-threaded Python builds the sdist, because
it cannot load an abi3 wheel. Prints one row for each, with the versions. Must not change .venv or what is pinned.
Cost: about a minute for each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".cache" / "matrix"
UV = ROOT / ".cache" / "tools" / "uv" / "bin" / "uv"
TOOLS = ("hypothesis", "ipykernel", "pytest", "pytest-asyncio", "pytest-timeout")
TESTS = (
    "tests/bridge/test_execution.py",
    *(f"tests/contract/test_{name}.py" for name in ("connecting", "extension", "restarts")),
    "tests/unit/test_transport.py",
)
SHOWN = ("jupyter_server", "jupyter_client", "tornado", "pyzmq", "traitlets")
# Left out, because older releases fail there without kernelws: with traitlets 5.10 come IPython 8.21 and ipykernel 7.1, where a
# cell takes 0.3 s, and IPython prints a line of its own in subshells
SELECTED = {"oldest": "not many_requests_at_once and not subshells", "newest": ""}
IGNORED = ("DeprecationWarning", "PendingDeprecationWarning", "SyntaxWarning")
"""Old releases use what a new Python deprecates: IPython 8.21 has a ``return`` in a ``finally``, of which Python 3.14 warns."""
LOOSE = (*(word for name in IGNORED for word in ("-W", f"ignore::{name}")), "-p", "no:cacheprovider")
FACTS = """
import json, sys
from importlib.metadata import version
from kernelws.sockets.transport import choose
print(json.dumps([sys.version.split()[0], {name: version(name) for name in %r}, choose().reason]))
"""


def uv(*words: str | Path) -> str:
    """Runs uv; returns its output. Exits if it fails."""
    done = subprocess.run([str(UV), *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"uv {' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def is_free_threaded(python: str) -> bool:
    """Whether the interpreter was built without a GIL."""
    ask = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip() == "1"


def pins(python: str, end: str) -> Path:
    """A file with one release of each of kernelws's dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = FOLDER / "dependencies.txt"
    wanted.write_text("\n".join(project["dependencies"]))
    resolution = "lowest-direct" if end == "oldest" else "highest"
    found = uv(
        "pip", "compile", "--python", python, "--resolution", resolution, "--only-binary", ":all:", "--no-annotate", wanted
    )
    names = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    file = FOLDER / f"{end}.txt"
    file.write_text("\n".join(line for line in found.splitlines() if line.partition("==")[0] in names))
    return file


def environment(python: str, end: str, name: str) -> Path:
    """The interpreter of an environment with the wheel, these releases and the tools of the tests."""
    folder = FOLDER / name
    uv("venv", "--clear", "--python", python, folder)
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (package,) = (ROOT / "dist").glob("*.tar.gz" if is_free_threaded(python) else "*.whl")
    uv("pip", "install", "--python", inside, "--constraint", pins(python, end), package, *TOOLS)
    return inside


def row(python: str, end: str, tests: list[str]) -> tuple[str, int]:
    """Makes one environment and runs the tests in it; returns a row of the table and pytest's exit code."""
    inside = environment(python, end, f"{Path(python).resolve().parent.parent.name}-{end}")
    said = subprocess.run([str(inside), "-c", FACTS % (SHOWN,)], capture_output=True, text=True, check=True, cwd=FOLDER).stdout
    version, packages, reason = json.loads(said)
    print(f"== Python {version}, {end}: {packages}", flush=True)
    command = [
        str(inside),
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--durations=0",
        "--durations-min=30",
        *LOOSE,
        "-k",
        SELECTED[end],
        *tests,
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    summary = done.stdout.strip().splitlines()[-1]
    if done.returncode:
        print(done.stdout, flush=True)
    cells = [version, end, *(packages[name] for name in SHOWN), reason.partition(":")[0], summary.strip("= ")]
    return "| " + " | ".join(cells) + " |", done.returncode


def main() -> int:
    """Runs the rows that the command line names; fails if one fails."""
    parser = argparse.ArgumentParser(description="tests with other Pythons and releases of the dependencies")
    parser.add_argument("pythons", nargs="*", default=[sys.executable], help="interpreters; default: this one")
    parser.add_argument("--end", action="append", choices=("oldest", "newest"), help="default: both")
    parser.add_argument("--tests", action="append", help="instead of the usual ones")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [
        row(python, end, options.tests or list(TESTS))
        for python in options.pythons
        for end in options.end or ("oldest", "newest")
    ]
    print("| Python | end | " + " | ".join(SHOWN) + " | receives | tests |")
    print("|---" * (len(SHOWN) + 4) + "|")
    print(*(text for text, _ in rows), sep="\n")
    return max(code for _, code in rows)


if __name__ == "__main__":
    sys.exit(main())
