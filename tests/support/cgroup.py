"""A real cgroup with a memory limit, below the one of this process, where the machine lets a test make one.

Must not change the cgroup of this process. It is removed at the end; its processes must have ended by then. Cost: two files.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelws import container


@contextlib.contextmanager
def limited(size: int) -> Iterator[Path]:
    """The folder of a new cgroup with ``size`` bytes of memory. Skips the test if there can be none, and says why."""
    own = container.cgroup_of()
    if own is None:
        pytest.skip("this process is in no cgroup that counts memory")
    folder = own.folder / f"kernelws-test-{os.getpid()}"
    limits = {1: {"memory.limit_in_bytes": size}, 2: {"memory.max": size, "memory.swap.max": 0}}[own.version]
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made in {own.folder}: {error.strerror}")
    try:
        for name, value in limits.items():
            try:
                (folder / name).write_text(str(value))
            except OSError as error:
                pytest.skip(f"{folder / name} cannot be written: {error.strerror}")
        yield folder
    finally:
        folder.rmdir()


def argv(folder: Path, *command: str) -> list[str]:
    """The command line of a program that moves into the cgroup before it starts."""
    return ["/bin/sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh", *command]
