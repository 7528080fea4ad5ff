"""Two settings of the whole process: the priority of libzmq's I/O threads, and how glibc frees large blocks of memory.

**I/O threads.** libzmq's I/O threads receive for all sockets of the process. With equal priority they take half of a core that
the event loop needs too. They then receive from a fast kernel faster than the event loop can forward: hundreds of MB queue up
in libzmq and have left the CPU's caches when they are sent. With a lower priority, the event loop forwards first and TCP slows
the kernel down. In return, a busy event loop sleeps for a moment after each turn to let the threads run; otherwise the reply of
another kernel would wait until the flood ends. The threads are found by name, and the name does not tell the context, so threads
of contexts that belong to other code get the lower priority too. ``receive_niceness = 0`` turns this off. Only Linux has
priorities for threads; elsewhere nothing changes.

**Memory.** By default glibc keeps freed blocks of up to 32 MiB for reuse, and the heap fragments: a flood of large messages
leaves the server bigger for good. With a threshold, glibc maps each larger block separately and unmaps it when freed. Setting
the threshold also stops glibc from adapting its trim threshold: how much free memory it keeps at the end of the heap. With the
initial 128 KiB, blocks of 0.5 to 1 MiB are 5 to 10 times slower, so ``set_mmap_threshold`` sets it to ``KEPT``. Values that the
administrator has set (``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_``, ``GLIBC_TUNABLES``) are kept. With another libc
nothing changes.

Must not touch a thread that is not libzmq's.
Cost: one read of /proc for each client that connects and each request to run code, 0.1 ms more if there are new threads; 0.1 ms
for each turn that leaves messages in its socket; 1 to 2 ms for the new pages of a 4 MB message.
"""

import contextlib
import ctypes
import os
import time
from pathlib import Path

from ..system import has_glibc

YIELD = 0.00005
"""Seconds. In practice the sleep takes about 0.1 ms: a tenth of a turn, and enough to receive a hundred messages."""
KEPT = 32 << 20
"""Bytes of free memory that glibc keeps at the end of the heap: about what it would adapt to by itself."""
_TASKS = "/proc/self/task"
_THREAD_NAMES = "ZMQbg/IO/"
"""How libzmq names its I/O threads (src/ctx.cpp)."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""malloc.h"""
_looks: list[tuple[frozenset[str], int]] = []
"""The threads and the niceness of the last two calls. The names of the same threads are read twice, because a thread of libzmq
exists before it has its name."""
_set: list[int] = []
"""The threshold that glibc was given last."""


def tune(niceness: int, threshold: int) -> None:
    """Sets both, each time that output may begin to arrive: when a client connects, and when code is sent over HTTP."""
    lower_io_priority(niceness)
    set_mmap_threshold(threshold)


def lower_io_priority(niceness: int) -> None:
    """Sets the nice value of libzmq's I/O threads to the event loop's plus ``niceness``, unless it is higher already.

    Undoing this needs privileges, so 0 changes nothing.
    """
    if niceness <= 0 or not hasattr(os, "setpriority"):
        return
    wanted = min(19, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    threads = _threads()
    if _looks == [(threads, wanted)] * 2:
        return
    _looks[:] = [*_looks[-1:], (threads, wanted)]
    for thread in _io_threads(threads):
        with contextlib.suppress(OSError):  # the thread has ended, or the system does not allow it
            if os.getpriority(os.PRIO_PROCESS, thread) < wanted:
                os.setpriority(os.PRIO_PROCESS, thread, wanted)


def let_io_threads_run() -> None:
    """Sleeps for a moment, so that libzmq's threads get the core. After a mere yield the system may continue this thread."""
    if os.name == "posix":  # elsewhere the shortest sleep takes as long as one turn or more
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
    """Makes glibc unmap freed blocks of ``threshold`` bytes or more; returns whether it does. 0 changes nothing."""
    if threshold <= 0 or _set_by_the_administrator("mmap_threshold"):
        return False
    if _set == [threshold]:
        return True
    if not has_glibc():
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
