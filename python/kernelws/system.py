"""The functions that not every system has, each with what kernelws does where it is missing.

Windows has neither ``os.pwritev`` nor the module ``resource``; Windows and macOS have no /proc; only glibc's allocator can be
configured; a free-threaded Python may run without its GIL. Other files call this one, so a new system changes only this file.
``doctor`` prints what is missing. Must not look at the name of the system: a function that exists is used.
Cost: where ``os.pwritev`` is missing, a copy of each block that goes to disk.
"""

import os
import sys
import sysconfig
from pathlib import Path
from typing import IO

IOV_MAX = 1024
"""Maximum number of views in one write: the limit of Linux and macOS."""
_PROC = "/proc/self"


def write_at(file: IO[bytes], offset: int, views: list[memoryview]) -> int:
    """Writes the first ``IOV_MAX`` views at ``offset`` of an unbuffered file. Returns how many bytes were written, which may be
    fewer. Only one thread may use the file."""
    if hasattr(os, "pwritev"):
        return os.pwritev(file.fileno(), views[:IOV_MAX], offset)
    file.seek(offset)
    return file.write(b"".join(views[:IOV_MAX]))


def descriptor_limits() -> tuple[int, int] | None:
    """The soft and the hard limit of file descriptors, -1 for none. None: this system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def has_glibc() -> bool:
    """Whether the process's C library is glibc."""
    return "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})


def runs_without_gil() -> bool:
    """Whether this Python is free-threaded and was told to keep its GIL off (``PYTHON_GIL=0``, ``-X gil=0``)."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


def peculiarities() -> list[str]:
    """What works differently on this system, each as a sentence without a full stop."""
    found = []
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        state = "stays off, because PYTHON_GIL or -X gil says so" if runs_without_gil() else "is on: kernelws's core needs it"
        found.append(f"this Python is free-threaded, and its GIL {state}")
    if not hasattr(os, "pwritev"):
        found.append("os.pwritev is missing: messages are copied once more on their way to disk")
    if descriptor_limits() is None:
        found.append("the module resource is missing: the limit of file descriptors is not known")
    if not Path(_PROC).is_dir():
        found.append("/proc is missing: receive_niceness has no effect, and a spool_dir in memory is not noticed")
    if not has_glibc():
        found.append("the C library is not glibc: large_block_size has no effect")
    return found
