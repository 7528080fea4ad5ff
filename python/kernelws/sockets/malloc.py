"""The memory of large messages, which goes back to the system when they have gone.

Left to itself glibc keeps a freed block of up to 32 MiB for the next one, in pieces between which others come to lie: after a
flood of large messages the server is bigger for good by a large part of it. Blocks of ``bytes`` and more are mapped one by
one instead and unmapped when they are freed. Setting that also ends glibc's own adjusting of how much free memory it keeps at
the heap's end, which may then be 128 KiB for good: each block of 0.5 to 1 MiB would be made of new pages, 5 to 10 times
slower. So that is set too, to ``KEPT``. Both hold for the whole process. What the administrator has set
(``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_``, ``GLIBC_TUNABLES``) stays, and so does a libc that is not glibc.
Cost: each page of a large message is a new one, 1 to 2 ms of 4 MB.
"""

import ctypes
import os

KEPT = 32 << 20
"""Bytes of free memory that glibc keeps at the heap's end: about as much as it would come to keep by itself."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""malloc.h"""
_told: list[int] = []
"""What glibc was told last."""


def set_mmap_threshold(threshold: int) -> bool:
    """Whether blocks of ``threshold`` bytes and more are given back from now on; 0 leaves everything as it is."""
    if threshold <= 0 or _set_by_the_administrator("mmap_threshold"):
        return False
    if _told == [threshold]:
        return True
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None or not mallopt(_M_MMAP_THRESHOLD, threshold):
        return False
    if not _set_by_the_administrator("trim_threshold"):
        mallopt(_M_TRIM_THRESHOLD, KEPT)
    _told[:] = [threshold]
    return True


def _set_by_the_administrator(option: str) -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return f"MALLOC_{option.upper()}_" in os.environ or f"glibc.malloc.{option}" in tunables
