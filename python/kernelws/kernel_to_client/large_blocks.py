"""The memory of large messages, which goes back to the system when they have gone.

Left to itself glibc keeps a freed block of up to 32 MiB for the next one, in pieces between which others come to lie: after a
flood of large messages the server is bigger for good by a large part of it. Blocks of ``bytes`` and more are mapped one by
one instead and unmapped when they are freed. That holds for the whole process. It is not touched where the administrator
has set it (``MALLOC_MMAP_THRESHOLD_``, ``GLIBC_TUNABLES``), nor where libc is not glibc.
Cost: each page of such a message is a new one, 1 to 2 ms of 4 MB.
"""

import ctypes
import os

_M_MMAP_THRESHOLD = -3
"""malloc.h"""
_told: list[int] = []
"""What glibc was told last."""


def give_back(threshold: int) -> bool:
    """Whether blocks of ``threshold`` bytes and more are given back from now on; 0 leaves everything as it is."""
    if threshold <= 0 or _set_by_the_administrator():
        return False
    if _told == [threshold]:
        return True
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None or not mallopt(_M_MMAP_THRESHOLD, threshold):
        return False
    _told[:] = [threshold]
    return True


def _set_by_the_administrator() -> bool:
    return "MALLOC_MMAP_THRESHOLD_" in os.environ or "glibc.malloc.mmap_threshold" in os.environ.get("GLIBC_TUNABLES", "")
