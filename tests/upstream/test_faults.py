"""The faults of docs/upstream.md: each program shows its fault with the installed jupyter_server, and not with its patch.

Each program runs in a process of its own, outside the checkout; the patched jupyter_server is a copy in a temporary folder. Must
not change the installed one. Cost: two to five seconds a program, twice.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupyter_server
import pytest

from scripts.docs_facts import ROOT

FAULTS = ROOT / "tests" / "upstream" / "faults"
NAMES = sorted(path.stem for path in FAULTS.glob("*.patch"))
PAGE = (ROOT / "docs" / "upstream.md").read_text()
LIMIT_SECONDS = 100


def shown(name: str, folder: Path, environment: dict[str, str], **more: str) -> tuple[int, str]:
    """Exit code and last line of a fault's program. What jupyter_server says at its end goes to stderr, and may come last."""
    program = [sys.executable, str(FAULTS / f"{name}.py")]
    done = subprocess.run(  # noqa: S603 - ours
        program,
        cwd=folder,
        env=os.environ | environment | more,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", NAMES)
def test_the_fault_is_there_and_its_patch_mends_it(name: str, tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    if shutil.which("git") is None:
        pytest.skip("git applies the patches")
    code, line = shown(name, tmp_path, jupyter_environment)
    assert code == 1, line
    assert line.startswith("fault: ")
    source = Path(jupyter_server.__file__).parent
    shutil.copytree(source, tmp_path / "jupyter_server", ignore=shutil.ignore_patterns("__pycache__"))
    applied = subprocess.run(  # noqa: S603 - ours
        ["git", "apply", "-p1", str(FAULTS / f"{name}.patch")],  # noqa: S607 - wherever it is
        cwd=tmp_path,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, applied.stderr
    assert shown(name, tmp_path, jupyter_environment, PYTHONPATH=str(tmp_path)) == (0, "as it should be")


def test_the_page_has_each_fault_and_names_the_release() -> None:
    programs = {path.stem for path in FAULTS.glob("*.py")} - {"stock"}
    assert programs == set(NAMES)
    for name in NAMES:
        for kind in ("py", "patch"):
            assert f'--8<-- "tests/upstream/faults/{name}.{kind}"' in PAGE
    assert f"({importlib.metadata.version('jupyter_server')})" in PAGE
