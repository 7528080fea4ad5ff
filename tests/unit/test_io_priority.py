"""libzmq's I/O threads, and no others, get a lower priority than the event loop, and never a higher one than before.

Each test runs in a process of its own: without privileges the priority cannot be raised again. A thread of libzmq exists before
it has its name, so the tests wait for the names.
"""

import os
import sys

import pytest

from kernelws.sockets.process import lower_io_priority
from tests.support.alone import run_alone

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no priorities of threads")

PRELUDE = """
    import os, threading, time, zmq
    from pathlib import Path
    from kernelws.sockets.process import lower_io_priority

    def nice(thread):
        return os.getpriority(os.PRIO_PROCESS, thread)

    def others():
        return {int(task.name) for task in Path("/proc/self/task").iterdir()}

    def name(thread):
        return Path(f"/proc/self/task/{thread}/comm")

    def context_of(threads):
        context, known, deadline = zmq.Context(io_threads=threads), others(), time.monotonic() + 60
        context.socket(zmq.PAIR).close()
        while len(named := {t for t in others() - known if name(t).read_text().startswith("ZMQbg/IO/")}) < threads:
            assert time.monotonic() < deadline
        return context, named

    context, libzmqs = context_of(2)
    base = nice(0)
"""


@LINUX
def test_each_of_libzmqs_io_threads_steps_back_and_no_other_thread() -> None:
    printed = run_alone(
        PRELUDE
        + """
    lower_io_priority(5)
    assert len(libzmqs) == 2, libzmqs
    print({nice(t) - base for t in libzmqs}, {nice(t) - base for t in others() - libzmqs})
    """
    )
    assert printed == "{5} {0}"


@LINUX
def test_threads_of_other_contexts_step_back_too() -> None:
    """Their names do not say whose they are: documented, and said by the trait."""
    printed = run_alone(
        PRELUDE
        + """
    lower_io_priority(5)
    another, more = context_of(1)
    lower_io_priority(5)
    print({nice(t) - base for t in libzmqs | more})
    """
    )
    assert printed == "{5}"


@LINUX
def test_a_thread_that_gets_its_name_late_is_found_by_the_next_look() -> None:
    printed = run_alone(
        PRELUDE
        + """
    late, named = libzmqs.pop(), "ZMQbg/IO/9"
    name(late).write_text("python")
    lower_io_priority(5)
    early = nice(late) - base
    name(late).write_text(named)
    lower_io_priority(5)
    print(early, nice(late) - base)
    """
    )
    assert printed == "0 5"


@LINUX
def test_a_thread_that_is_nicer_already_stays_so() -> None:
    printed = run_alone(
        PRELUDE
        + """
    lower_io_priority(7)
    lower_io_priority(3)
    lower_io_priority(0)
    print({nice(t) - base for t in libzmqs})
    """
    )
    assert printed == "{7}"


@LINUX
def test_a_server_that_is_nice_itself_keeps_the_distance_as_far_as_there_is_one() -> None:
    printed = run_alone(
        PRELUDE
        + """
    os.setpriority(os.PRIO_PROCESS, 0, 16)
    lower_io_priority(5)
    print({nice(t) for t in libzmqs})
    """
    )
    assert printed == "{19}"


def test_a_system_without_priorities_of_threads_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "setpriority")
    lower_io_priority(5)
