"""A script in a Python process of its own, which must end well and complain of nothing."""

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
