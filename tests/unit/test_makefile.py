"""`make lab` as a user runs it, with a stand-in for JupyterLab: what its kernels inherit, and where notebooks are kept."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from scripts.docs_facts import ROOT

STAND_IN = """\
#!{python}
import json, os, sys
print(json.dumps([sys.argv[1:], dict(os.environ)]))
"""


def make(*arguments: str, **environment: str) -> str:
    command = ["make", "--no-print-directory", "--old-file=.venv/built", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PIP"))}
    done = subprocess.run(  # noqa: S603 - ours
        command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lab_hides_nothing_from_its_kernels_and_saves_no_notebook_in_the_checkout(tmp_path: Path) -> None:
    """`%pip install` in a notebook prints what pip prints, as in any other JupyterLab."""
    jupyter = tmp_path / "jupyter"
    jupyter.write_text(STAND_IN.format(python=sys.executable))
    jupyter.chmod(jupyter.stat().st_mode | stat.S_IXUSR)
    folder = tmp_path / "notebooks"
    said, started = make("lab", f"BIN={tmp_path}", f"LAB_DIR={folder}", "LAB_ARGS=--port=9000").strip().rsplit("\n", 1)
    arguments, environment = json.loads(started)
    assert arguments[0] == "lab"
    assert {f"--ServerApp.root_dir={folder}", "--port=9000"} <= set(arguments)
    assert f"notebooks are in {folder};" in said
    assert folder.is_dir()
    assert not environment.keys() & {"PIP_QUIET", "MAKEFLAGS", "MAKELEVEL", "PYO3_PYTHON"}
    assert environment["VIRTUAL_ENV"] == str(ROOT / ".venv")


def test_without_a_word_from_the_user_notebooks_are_where_git_does_not_look() -> None:
    shown = make("--dry-run", "lab")
    assert f'"--ServerApp.root_dir={ROOT}/.cache/lab"' in shown
    assert "/.cache/" in (ROOT / ".gitignore").read_text().splitlines()


def test_clean_keeps_the_notebooks() -> None:
    """They are the user's; all else was made by a target."""
    commands = make("--dry-run", "clean")
    removed = {word for line in commands.splitlines() if line.startswith("rm ") for word in line.split()}
    assert "dist" in removed
    assert not {word for word in removed if word.startswith(".cache")}
    assert "! -name lab" in commands


def test_each_long_step_says_how_long_it_takes() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(chr(9) + "@echo") and "==" in line]
    for word in ("packages of requirements", "release build", "wheel and sdist"):
        (line,) = [line for line in lines if word in line]
        assert "minute" in line
