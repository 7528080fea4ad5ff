"""Disks that cannot take more: a small filesystem of its own, and a limit on the size of a process's files.

What it does: mounts a file as an ext4 filesystem for the time of a block; sets RLIMIT_FSIZE of a running process.
What it must not do: leave a mount behind, or need root where the caller can do without.
Strategy: a loop mount, because the overflow refuses a tmpfs, as it should. Cost: a sparse file, half a second.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("mkfs.ext4", "mount", "umount")


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """A folder on a filesystem of this size; None where this user or machine cannot mount one."""
    make, mount, unmount = (shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for tool in TOOLS)
    if os.geteuid() != 0 or make is None or mount is None or unmount is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="chaos-disk-") as name:
        image, folder = Path(name) / "image", Path(name) / "disk"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run([make, "-q", image], check=True)
        if subprocess.run([mount, "-o", "loop", image, folder], check=False, capture_output=True).returncode:
            yield None
            return
        try:
            yield folder
        finally:
            # Lazily: the server's last files on it may close a moment later.
            subprocess.run([unmount, "--lazy", folder], check=True)


def limited_files(pid: int, size: int) -> None:
    """From now on no file of this process grows beyond `size` bytes; its writes fail with EFBIG."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


@contextlib.contextmanager
def hanging(home: Path) -> Iterator[None]:
    """The disk of the server in this folder, which was configured with `CAN_HANG`, takes nothing inside."""
    marker = home / HANGS
    marker.touch()
    try:
        yield
    finally:
        marker.unlink()


HANGS = "disk-hangs"
"""While this file is in the server's folder, writes to disk wait."""
CAN_HANG = f"""
import os, pathlib, time
write, hangs = os.pwritev, pathlib.Path({HANGS!r}).absolute()
def hang(*arguments):
    while hangs.exists():
        time.sleep(0.05)
    return write(*arguments)
os.pwritev = hang
"""
