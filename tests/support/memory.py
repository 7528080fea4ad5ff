"""Bytes of memory that glibc has handed out in this process, to compare with what an object counts.

Must not be asked in a process that does other work.
"""

import ctypes
import gc
import os

AVAILABLE = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
"""Whether the C library is glibc."""


class _Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena o s h hblkhd us fs uordblks fo keepcost".split()]  # noqa: SIM905


def used() -> int:
    """Bytes in use, after a collection of garbage."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _Mallinfo2
    gc.collect()
    info = libc.mallinfo2()
    return int(info.uordblks + info.hblkhd)
