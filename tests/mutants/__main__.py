"""``python -m tests.mutants``: runs the tests on broken versions of the Python class.

Writes which test caught each version into tests/README.md.

Works on a copy of the package under a temporary folder, which PYTHONPATH puts before the installed one; the tests are the real
ones. Refuses a mutant whose old text is not in its file exactly once. Runs the mutant's own tests until the first failure, and
all others only if those pass. Cost: seconds for most, minutes for a survivor; one process at a time.
"""

# ruff: noqa: T201 - it prints how far it is

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.broken import MUTANTS as FIRST
from tests.mutants.broken import Mutant
from tests.mutants.broken_deaths import MUTANTS as DEATHS
from tests.mutants.broken_decisions import MUTANTS as DECISIONS
from tests.mutants.broken_ends import MUTANTS as ENDS
from tests.mutants.broken_executions import MUTANTS as EXECUTIONS
from tests.mutants.broken_more import MUTANTS as MORE
from tests.mutants.broken_pages import MUTANTS as PAGES
from tests.mutants.broken_sessions import MUTANTS as SESSIONS

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "tests" / "README.md"
MUTANTS = FIRST + MORE + SESSIONS + ENDS + EXECUTIONS + PAGES + DEATHS + DECISIONS
ALL = ("tests/unit", "tests/parity", "tests/contract", "tests/bridge")
BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
NOT_FOUND, NONE_LEFT = 4, 5
"""How pytest ends when a test is no longer there, or all were deselected."""
HUNG = 900
"""Seconds after which a mutant counts as caught by hanging: pytest's own timeout ends single tests long before."""
SURVIVED = "**survived**"
HANGS = "(the tests hang)"


def patched(package: Path, mutant: Mutant) -> str:
    """Applies a mutant to the copy; returns the original text."""
    path = package / mutant.file
    original = path.read_text()
    if (count := original.count(mutant.old)) != 1:
        raise ValueError(f"its text stands {count} times in {mutant.file}, not once")
    broken = original.replace(mutant.old, mutant.new)
    compile(broken, mutant.name, "exec")
    path.write_text(broken)
    return original


def run_tests(copy: Path, paths: tuple[str, ...], *options: str) -> list[str]:
    """The tests that failed, by default the first only. Raises SystemExit if the tests could not be run."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [*command, *(options or ("-x",)), *paths],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=HUNG,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [HANGS]
    found: list[str] = re.findall(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if found or done.returncode in (0, NOT_FOUND, NONE_LEFT):
        return found
    raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


class Suite:
    """The tests, without those that fail for the unbroken class too: they say nothing about a mutant."""

    def __init__(self, copy: Path) -> None:
        self.copy = copy
        self._unreliable: set[str] = set()

    def catches(self, paths: tuple[str, ...], original: dict[Path, str]) -> str:
        """The first test that fails for the mutant and passes with the original files (file -> text); ``""`` if there is none."""
        while True:
            deselected = [f"--deselect={name}" for name in sorted(self._unreliable)]
            caught = next(iter(run_tests(self.copy, paths, "-x", *deselected)), "")
            if not caught or caught == HANGS or not self._fails(caught, original):
                return caught
            print(f"fails for the unbroken class: {caught}", flush=True)
            self._unreliable.add(caught)

    def _fails(self, name: str, original: dict[Path, str]) -> bool:
        """Whether a test fails for the unbroken class."""
        broken = {path: path.read_text() for path in original}
        write(original)
        try:
            return bool(run_tests(self.copy, (name,)))
        finally:
            write(broken)


def write(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        path.write_text(text)


def catcher(suite: Suite, mutant: Mutant, quick: bool) -> str:
    """The test that catches a mutant; ``quick``: of its own tests."""
    first = tuple(path for path in mutant.first if (ROOT / path).exists())
    before = rows_of_readme().get(mutant.name, SURVIVED).partition("::")
    original = {suite.copy / "kernelws" / mutant.file: patched(suite.copy / "kernelws", mutant)}
    try:
        caught = suite.catches(("".join(before),), original) if (ROOT / before[0]).exists() else ""
        caught = caught or (suite.catches(first, original) if first else "")
        return caught or (not quick and suite.catches(existing(ALL), original)) or SURVIVED
    finally:
        write(original)


def existing(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path for path in paths if any((ROOT / path).glob("**/test_*.py")))


def check_copy(copy: Path) -> None:
    """Fails if the tests would import another package than the copy."""
    command = [sys.executable, "-c", "import kernelws; print(kernelws.__file__)"]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    used = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - as above
    if not used.stdout.startswith(str(copy)):
        raise SystemExit(f"the tests would run {used.stdout.strip()}, not the copy")


def table(caught: dict[str, str]) -> str:
    rows = [f"| {name} | {test if test == SURVIVED else f'`{test}`'} |" for name, test in caught.items()]
    return "\n".join(["| broken version | caught by |", "|---|---|", *rows])


def rows_of_readme() -> dict[str, str]:
    """Which test caught which mutant when it last ran."""
    kept = README.read_text().partition(BEGIN)[2].partition(END)[0]
    return dict(re.findall(r"^\| (.+?) \| `?(.+?)`? \|$", kept, re.MULTILINE))


def write_readme(caught: dict[str, str]) -> None:
    """Puts the table between its marks; rows of mutants that were not run now are kept."""
    text = README.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = rows_of_readme() | caught
    merged = {mutant.name: rows[mutant.name] for mutant in MUTANTS if mutant.name in rows}
    README.write_text(f"{head}{BEGIN}\n{table(merged)}\n{END}{tail}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names, or of the paths of the tests that run first; none is all")
    parser.add_argument("--list", action="store_true", help="only check that each mutant applies")
    parser.add_argument("--quick", action="store_true", help="run each mutant's own tests only")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not options.names or is_meant(mutant, options.names)]
    with tempfile.TemporaryDirectory(prefix="kernelws-mutants-") as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "python" / "kernelws", copy / "kernelws", ignore=shutil.ignore_patterns("__pycache__"))
        check_copy(copy)
        if options.list:
            return check_all(copy, chosen)
        return report(Suite(copy), chosen, options.quick)


def is_meant(mutant: Mutant, parts: list[str]) -> bool:
    return any(part in text for part in parts for text in (mutant.name, *mutant.first))


def check_all(copy: Path, chosen: list[Mutant]) -> int:
    """Says which mutants the code has outgrown."""
    outgrown = 0
    for mutant in chosen:
        try:
            (copy / "kernelws" / mutant.file).write_text(patched(copy / "kernelws", mutant))
        except (ValueError, SyntaxError) as error:
            outgrown += 1
            print(f"{mutant.name}: {error}")
    print(f"{len(chosen) - outgrown} of {len(chosen)} mutants apply")
    return 1 if outgrown else 0


def report(suite: Suite, chosen: list[Mutant], quick: bool) -> int:
    caught: dict[str, str] = {}
    for at, mutant in enumerate(chosen, 1):
        started = time.monotonic()
        caught[mutant.name] = catcher(suite, mutant, quick)
        print(f"{at}/{len(chosen)} {time.monotonic() - started:5.0f} s  {mutant.name}: {caught[mutant.name]}", flush=True)
        write_readme(caught)
    survivors = sum(test == SURVIVED for test in caught.values())
    print(f"{len(caught)} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
