"""The memory of large messages is returned to the system, unless the administrator has decided otherwise.

Each test runs in a process of its own, because glibc's settings cannot be read and set back.
"""

import os
import sys

import pytest

from tests.support.alone import run_alone

GLIBC = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="only glibc can be told")

FLOOD = """
    from kernelws.sockets.process import set_mmap_threshold

    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * 4096

    def flood():
        '''Messages of 4 MB, and between them what stays: how much more memory there is afterwards.'''
        before, messages, rest = resident(), [], []
        for _ in range(50):
            messages.append(bytearray(4_000_000))
            rest.append([bytes(1000) for _ in range(100)])
        for message in messages:
            message[::4096] = b"x" * len(message[::4096])
        messages.clear()
        return resident() - before

    bytearray(20_000_000)  # freed: glibc keeps blocks of this size from now on
"""


@GLIBC
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_blocks_from_that_size_on_are_given_back() -> None:
    printed = run_alone(FLOOD + "    print(set_mmap_threshold(1 << 20), set_mmap_threshold(1 << 20), flood() < 50_000_000)\n")
    assert printed == "True True True"


SMALLER = """
    import resource
    from kernelws.sockets.process import set_mmap_threshold

    def new_pages():
        '''Pages that the system had to clear for 20 rounds of 8 blocks of 1 MB, after a first round.'''
        before = 0
        for turn in range(21):
            blocks = [bytearray(b"x") * 1_000_000 for _ in range(8)]
            del blocks
            before = before or resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""


@GLIBC
@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_smaller_blocks_are_used_again() -> None:
    """Setting one of glibc's two thresholds stops it from adjusting both, so kernelws sets both. 2,000 pages are 8 MB."""
    printed = run_alone(SMALLER + "    print(set_mmap_threshold(1 << 20), new_pages() < 2_000)\n")
    assert printed == "True True"


@GLIBC
@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
@pytest.mark.parametrize(
    ("variable", "value"), [("MALLOC_TRIM_THRESHOLD_", "100000"), ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=100000")]
)
def test_how_much_is_kept_stays_as_the_administrator_has_set_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    printed = run_alone(SMALLER + "    print(set_mmap_threshold(1 << 20), new_pages() > 20_000)\n")
    assert printed == "True True"


@GLIBC
def test_zero_leaves_glibc_as_it_is() -> None:
    assert run_alone(FLOOD + "    print(set_mmap_threshold(0))\n") == "False"


@pytest.mark.parametrize(
    ("variable", "value"), [("MALLOC_MMAP_THRESHOLD_", "4000000"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4000000")]
)
def test_what_the_administrator_has_set_stays(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert run_alone(FLOOD + "    print(set_mmap_threshold(1 << 20))\n") == "False"


def test_a_system_without_glibc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "    import os\n    os.confstr_names = {}\n" + FLOOD + "    print(set_mmap_threshold(1 << 20))\n"
    assert run_alone(script) == "False"
