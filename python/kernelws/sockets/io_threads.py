"""libzmq's own threads, which receive for the whole process, and the event loop: who gets a core that both want.

Left to the system, both get half of it in slices of milliseconds. A kernel that sends faster than a client takes is then
received faster than it is handed on: hundreds of MB pile up in libzmq, and are cold in the caches when they leave. So the
threads step back: what is received is handed on first, and TCP slows down the kernel. In return the event loop, while it is
busy, lets them run for a moment after each turn, or another kernel's reply would wait for the flood to end.
The threads are found by name, and a name does not say which context a thread belongs to: those of contexts that other code
of the process has made step back too. That is no harm where they feed the same event loop; ``receive_niceness = 0`` is for a
process where it is. Must not touch any thread that is not libzmq's. Where the system has no priorities of threads (all but
Linux) nothing steps back.
Cost: a look into /proc when a client connects, 0.1 ms more where there are new threads; 0.1 ms a turn of a source that has
more than one turn can take.
"""

import contextlib
import os
import time
from pathlib import Path

YIELD = 0.00005
"""Seconds; the system makes about 0.1 ms of it: a tenth of a turn, and enough to receive a hundred messages."""
_TASKS = "/proc/self/task"
_looks: list[tuple[frozenset[str], int]] = []
"""The threads of the last two looks, and how nice they were to be. The same ones are looked at twice and not again: a thread
of libzmq exists before it has its name."""
_THREAD_NAMES = "ZMQbg/IO/"
"""How libzmq names its I/O threads (src/ctx.cpp)."""


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


def let_run() -> None:
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
