"""Faults of the disk for overflow: a disk that is full, on which writes fail, or that hangs.

Mounts a file as a small ext4 filesystem, sets RLIMIT_FSIZE of a running process, or makes a server's writes wait. Must not leave
a mount behind. Only the mount needs root. It is a loop mount, because kernelws does not write overflow to a tmpfs.
Cost: a sparse file, half a second.
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
    """A folder on a filesystem of this size, or None if this user or machine cannot mount one."""
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
            # --lazy, because the server may close its last files a moment later
            subprocess.run([unmount, "--lazy", folder], check=True)


def limited_files(pid: int, size: int) -> None:
    """Limits the files of a process to `size` bytes. Larger writes fail with EFBIG."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


@contextlib.contextmanager
def hanging(home: Path) -> Iterator[None]:
    """Makes the server's disk hang in this context. `home` is the server's folder; it must be configured with `CAN_HANG`."""
    marker = home / HANGS
    marker.touch()
    try:
        yield
    finally:
        marker.unlink()


HANGS = "disk-hangs"
"""While this file exists in the server's folder, writes to disk wait."""
CAN_HANG = f"""
import os, pathlib, time
write, hangs = os.pwritev, pathlib.Path({HANGS!r}).absolute()
def hang(*arguments):
    while hangs.exists():
        time.sleep(0.05)
    return write(*arguments)
os.pwritev = hang
"""
