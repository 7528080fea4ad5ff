"""Runs a script in a Python process of its own; it must exit with 0 and print nothing on stderr."""

import subprocess
import sys
import textwrap


def run_alone(script: str) -> str:
    """What a script prints."""
    done = subprocess.run(  # noqa: S603 - the scripts of tests
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
