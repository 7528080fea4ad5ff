"""libzmq's threads step back behind the event loop, nobody else's do, and never forward.

In processes of their own: without privileges it cannot be taken back.
"""

import os
import sys

import pytest

from kernelws.kernel_to_client.receiving_thread import step_back
from tests.support.alone import run_alone

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no priorities of threads")

PRELUDE = """
    import os, threading, zmq
    from pathlib import Path
    from kernelws.kernel_to_client.receiving_thread import step_back

    def nice(thread):
        return os.getpriority(os.PRIO_PROCESS, thread)

    def others():
        return {int(task.name) for task in Path("/proc/self/task").iterdir()}

    known = others()
    context = zmq.Context(io_threads=2)
    context.socket(zmq.PAIR).close()
    libzmqs = {t for t in others() - known if "IO" in Path(f"/proc/self/task/{t}/comm").read_text()}
    base = nice(0)
"""


@LINUX
def test_each_of_libzmqs_io_threads_steps_back_and_no_other_thread() -> None:
    printed = run_alone(
        PRELUDE
        + """
    step_back(5)
    assert len(libzmqs) == 2, libzmqs
    print({nice(t) - base for t in libzmqs}, {nice(t) - base for t in others() - libzmqs})
    """
    )
    assert printed == "{5} {0}"


@LINUX
def test_a_thread_that_is_nicer_already_stays_so() -> None:
    printed = run_alone(
        PRELUDE
        + """
    step_back(7)
    step_back(3)
    step_back(0)
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
    step_back(5)
    print({nice(t) for t in libzmqs})
    """
    )
    assert printed == "{19}"


def test_a_system_without_priorities_of_threads_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "setpriority")
    step_back(5)
