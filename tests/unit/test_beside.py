"""`scripts/beside`, which runs two commands at once for the Makefile and `.ci/run`. Must not use make. Cost: half a second."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from scripts.docs_facts import ROOT

BESIDE = str(ROOT / "scripts" / "beside")


def run(first: str, second: str) -> tuple[int, str]:
    """Exit code and output of two commands of bash."""
    done = subprocess.run([BESIDE, first, second], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("echo a", "echo b", 0),
        ("echo a; exit 3", "echo b", 3),
        ("echo a", "echo b; exit 4", 4),
        ("echo a; false", "echo b; exit 4", 1),
    ],
)
def test_both_run_to_their_ends_and_either_can_fail(first: str, second: str, code: int) -> None:
    assert run(first, second) == (code, "a\nb\n")


def test_a_step_that_fails_ends_its_command() -> None:
    assert run("echo a", "false; echo b") == (1, "a\n")


def test_they_run_at_the_same_time(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opens only once both ends are there
    assert run(f"cat {pipe}", f"echo met >{pipe}") == (0, "met\n")


def test_the_second_one_ends_when_the_script_is_stopped(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    second = f"exec 9>{pipe}; cat /dev/zero >/dev/null & wait"
    # The first one waits for its input
    command = [BESIDE, "echo started; cat", second]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603 - ours
    with child, pipe.open("rb", buffering=0) as end:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        os.killpg(child.pid, signal.SIGTERM)
        # The other end is closed when the second command and its child are gone
        assert end.read() == b""
