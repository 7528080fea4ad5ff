"""Cgroups of both versions, read from files as Linux writes them: limits, nested limits, the OOM killer's count, neighbours."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernelws import container
from tests.support import cgroup
from tests.support.cgroups import V1, V2, Machine

GIB = 1 << 30


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    machine: Machine = request.param(tmp_path)
    return machine


def test_a_limit_is_the_smallest_of_those_above(machine: Machine) -> None:
    outer = machine.make("/pods", limit=GIB)
    inner = machine.make("/pods/a", limit=4 * GIB)
    machine.place(7, "/pods/a")
    found = container.cgroup_of(7, machine.proc)
    assert found is not None
    assert (found.folder, found.version) == (inner, machine.version)
    assert found.limit() == GIB
    machine.limit(inner, GIB // 2)
    assert found.limit() == GIB // 2
    machine.limit(outer, None)
    machine.limit(inner, None)
    assert found.limit() is None


def test_without_a_limit_there_is_none(machine: Machine) -> None:
    machine.make("/a", limit=None)
    machine.place("self", "/a")
    found = container.cgroup_of("self", machine.proc)
    assert found is not None
    assert found.limit() is None


def test_kills_are_counted_and_neighbours_seen(machine: Machine) -> None:
    folder = machine.make("/a", limit=GIB)
    machine.place(7, "/a")
    found = container.cgroup_of(7, machine.proc)
    assert found is not None
    assert (found.oom_kills(), found.processes()) == (0, frozenset({7}))
    machine.kill(folder, 2)
    (folder / "cgroup.procs").write_text("7\n8\nx\n")
    assert (found.oom_kills(), found.processes()) == (2, frozenset({7, 8}))
    (folder / "cgroup.procs").unlink()
    assert found.processes() == frozenset()


def test_a_container_sees_a_part_of_the_hierarchy(machine: Machine) -> None:
    """Without a namespace for cgroups, the paths begin above what is mounted."""
    machine.root = "/docker/abc"
    folder = machine.make("/kernel", limit=GIB)
    machine.mount()
    machine.place(7, "/docker/abc/kernel")
    found = container.cgroup_of(7, machine.proc)
    assert found is not None
    assert (found.folder, found.limit()) == (folder, GIB)
    machine.place(8, "/docker/abcd")
    found = container.cgroup_of(8, machine.proc)
    assert found is not None
    assert found.folder == found.top, "what this process does not see counts as the highest that it sees"


@pytest.mark.parametrize(
    "text", ["", "\0", "x", "4:memory", "0::/../../etc", "4:memory:/\0", "0::", "4:memory:/gone", "0::/gone", "::", "\xff" * 99]
)
def test_nothing_that_a_file_says_raises(machine: Machine, text: str) -> None:
    (machine.proc / "7").mkdir(exist_ok=True)
    (machine.proc / "7" / "cgroup").write_text(text)
    found = container.cgroup_of(7, machine.proc)
    if found is not None:
        assert found.folder == found.top
        assert found.limit() is None
    for limit in ("", "max", "-1", "0", "1e9", "9" * 30, str(1 << 62), "\u0663"):
        folder = machine.make("/odd", limit=None)
        machine.file(folder, "limit").write_text(limit)
        machine.file(folder, "kills").write_text("oom_kill\noom_kill x\n")
        odd = container.Cgroup(folder, folder, machine.version)
        assert (odd.limit(), odd.oom_kills()) == (None, None)
    (machine.proc / "self" / "mountinfo").write_text("a b - cgroup2\n\n1 2 3 / - cgroup2 cgroup2 rw\n")
    assert container.cgroup_of(7, machine.proc) is None


def test_nothing_to_read_is_no_cgroup(tmp_path: Path) -> None:
    assert container.cgroup_of(7, tmp_path) is None


def test_a_hybrid_machine_counts_memory_in_version_1(tmp_path: Path) -> None:
    machine = V1(tmp_path)
    folder = machine.make("/a", limit=GIB)
    machine.place(7, "/a")
    cgroup = machine.proc / "7" / "cgroup"
    cgroup.write_text(cgroup.read_text() + "0::/other\n")
    found = container.cgroup_of(7, machine.proc)
    assert found is not None
    assert (found.folder, found.version) == (folder, 1)


def test_a_share_is_the_same_part_of_a_small_container_and_all_of_a_large_one() -> None:
    size = 512 << 20
    assert container.share_of(size, None) == container.share_of(size, 2 * GIB) == container.share_of(size, 64 * GIB) == size
    assert container.share_of(size, GIB) == size // 2
    assert container.share_of(size, 0) == 0


@pytest.mark.parametrize(
    ("size", "text"), [(2 << 30, "2.0 GiB"), (1536 << 20, "1.5 GiB"), (512 << 20, "512 MiB"), (1000, "0.000954 MiB")]
)
def test_a_size_is_written_for_people(size: int, text: str) -> None:
    assert container.written(size) == text


def test_this_process_has_a_cgroup_or_none_and_nothing_raises() -> None:
    own = container.cgroup_of()
    container.own_limit.cache_clear()
    assert container.own_limit() == (None if own is None else own.limit())


PRINT_DEFAULTS = """
from kernelws import ZMQChannelsWebsocketConnection, settings
one = settings.configured(ZMQChannelsWebsocketConnection, None, None)
print(one.session_memory_limit, one.outbox_memory_limit, one.executions_memory_limit, one.executions_server_memory_limit)
"""


def test_in_a_real_cgroup_the_defaults_are_its_share() -> None:
    """Half of those outside, since it has half of 2 GiB."""
    with cgroup.limited(1 << 30) as folder:
        command = cgroup.argv(folder, sys.executable, "-c", PRINT_DEFAULTS)
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert [int(size) >> 20 for size in done.stdout.split()] == [32, 256, 16, 128]
