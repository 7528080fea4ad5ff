"""Two settings of the whole process: the priority of libzmq's threads, and what becomes of large blocks of memory.

**I/O threads.** libzmq's own threads receive for the whole process. Left to the system, they and the event loop each get half
of a core that both want, in slices of milliseconds. A kernel that sends faster than a client takes is then received faster than
it is handed on: hundreds of MB pile up in libzmq, and are cold in the caches when they leave. So the threads get a lower
priority: what is received is handed on first, and TCP slows down the kernel. In return the event loop, while it is busy, lets
them run for a moment after each turn, or another kernel's reply would wait for the flood to end. The threads are found by name,
and a name does not say which context a thread belongs to: those of contexts that other code of the process has made get it too.
``receive_niceness = 0`` is for a process where that does harm. Where the system has no priorities of threads (all but Linux)
nothing changes.

**Memory.** Left to itself glibc keeps a freed block of up to 32 MiB for the next one, in pieces between which others come to
lie: after a flood of large messages the server is bigger for good by a large part of it. Blocks of ``threshold`` bytes and more
are mapped one by one instead and unmapped when they are freed. Setting that also ends glibc's own adjusting of how much free
memory it keeps at the heap's end, which may then be 128 KiB for good: each block of 0.5 to 1 MiB would be made of new pages, 5
to 10 times slower. So that is set too, to ``KEPT``. What the administrator has set (``MALLOC_MMAP_THRESHOLD_``,
``MALLOC_TRIM_THRESHOLD_``, ``GLIBC_TUNABLES``) stays, and so does a libc that is not glibc.

Must not touch any thread that is not libzmq's.
Cost: a look into /proc when a client connects, 0.1 ms more where there are new threads; 0.1 ms a turn of a source that has
more than one turn can take; each page of a large message is a new one, 1 to 2 ms of 4 MB.
"""

import contextlib
import ctypes
import os
import time
from pathlib import Path

YIELD = 0.00005
"""Seconds; the system makes about 0.1 ms of it: a tenth of a turn, and enough to receive a hundred messages."""
KEPT = 32 << 20
"""Bytes of free memory that glibc keeps at the heap's end: about as much as it would come to keep by itself."""
_TASKS = "/proc/self/task"
_THREAD_NAMES = "ZMQbg/IO/"
"""How libzmq names its I/O threads (src/ctx.cpp)."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""malloc.h"""
_looks: list[tuple[frozenset[str], int]] = []
"""The threads of the last two looks, and their niceness. The same ones are looked at twice and not again: a thread of libzmq
exists before it has its name."""
_set: list[int] = []
"""What glibc was told last."""


def lower_io_priority(niceness: int) -> None:
    """Makes all I/O threads of libzmq nicer than the event loop's thread by ``niceness``; those that are nicer stay so.

    That cannot be taken back without privileges, so 0 leaves everything as it is.
    """
    if niceness <= 0 or not hasattr(os, "setpriority"):
        return
    wanted = min(19, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    threads = _threads()
    if _looks == [(threads, wanted)] * 2:
        return
    _looks[:] = [*_looks[-1:], (threads, wanted)]
    for thread in _io_threads(threads):
        with contextlib.suppress(OSError):  # it has just ended, or the system does not let us
            if os.getpriority(os.PRIO_PROCESS, thread) < wanted:
                os.setpriority(os.PRIO_PROCESS, thread, wanted)


def let_io_threads_run() -> None:
    """Gives the core to libzmq's threads for a moment. To yield is not enough: the system may give it back at once."""
    if os.name == "posix":  # elsewhere the shortest sleep takes as long as a turn, or many
        time.sleep(YIELD)


def _threads() -> frozenset[str]:
    try:
        return frozenset(task.name for task in Path(_TASKS).iterdir())
    except OSError:
        return frozenset()


def _io_threads(threads: frozenset[str]) -> list[int]:
    found = []
    for thread in threads:
        with contextlib.suppress(OSError):
            if Path(_TASKS, thread, "comm").read_text().startswith(_THREAD_NAMES):
                found.append(int(thread))
    return found


def set_mmap_threshold(threshold: int) -> bool:
    """Whether blocks of ``threshold`` bytes and more are unmapped when freed from now on; 0 leaves everything as it is."""
    if threshold <= 0 or _set_by_the_administrator("mmap_threshold"):
        return False
    if _set == [threshold]:
        return True
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None or not mallopt(_M_MMAP_THRESHOLD, threshold):
        return False
    if not _set_by_the_administrator("trim_threshold"):
        mallopt(_M_TRIM_THRESHOLD, KEPT)
    _set[:] = [threshold]
    return True


def _set_by_the_administrator(option: str) -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return f"MALLOC_{option.upper()}_" in os.environ or f"glibc.malloc.{option}" in tunables
