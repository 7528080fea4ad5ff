"""What a kernel's death is called: real processes that end in all ways, beside stand-ins for both versions of cgroups."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws import container
from kernelws.kernel import death
from kernelws.kernel.death import CAUSES, Deaths
from kernelws.record.counters import TOTALS
from tests.support.cgroups import V1, V2, Machine
from tests.support.session import LOG

GIB = 1 << 30
SLEEPS = "import sys; sys.stdin.read()"


class Kernel:
    """A process under a provisioner, and what is known of its deaths."""

    def __init__(self, code: str = SLEEPS) -> None:
        self.provisioner = SimpleNamespace(process=None)
        self.start(code)
        self.now = 0.0
        self.deaths = Deaths(lambda: SimpleNamespace(provisioner=self.provisioner), LOG, "k", lambda: self.now)

    def start(self, code: str = SLEEPS) -> None:
        self.process = self.provisioner.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)  # noqa: S603

    def end(self, signum: int | None = None) -> tuple[str, str]:
        """Ends the process. Returns why it ended, as text, and the cause."""
        if signum is not None:
            self.process.send_signal(signum)
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        found = self.deaths.died()
        assert found is not None
        assert found is self.deaths.last
        assert found.cause in CAUSES
        return found[:2]


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine: Machine = request.param(tmp_path)
    real = container.cgroup_of
    monkeypatch.setattr(container, "cgroup_of", lambda pid: real(pid, machine.proc))
    return machine


def placed(machine: Machine, kernel: Kernel, *others: int) -> Path:
    """The folder of the cgroup in which the kernel's process is, with these others."""
    folder = machine.make("/k", limit=2 * GIB)
    machine.place(kernel.process.pid, "/k")
    (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in (kernel.process.pid, *others)))
    return folder


@pytest.mark.parametrize(
    ("signum", "why", "cause"),
    [
        ("SIGKILL", "was killed (SIGKILL)", "SIGKILL"),
        ("SIGTERM", "was killed (SIGTERM)", "SIGTERM"),
        ("SIGSEGV", "crashed (SIGSEGV)", "SIGSEGV"),
        ("SIGABRT", "crashed (SIGABRT)", "SIGABRT"),
        ("SIGUSR1", "was killed (SIGUSR1)", "signal"),
        ("SIGRTMIN", "was killed (SIGRTMIN)", "signal"),
    ],
)
def test_a_signal_has_its_name(signum: str, why: str, cause: str) -> None:
    assert Kernel().end(getattr(signal, signum)) == (why, cause)


@pytest.mark.parametrize(("status", "cause"), [(0, "exited"), (1, "failed"), (3, "failed"), (137, "failed")])
def test_a_status_is_a_number(status: int, cause: str) -> None:
    before = TOTALS.deaths.get(cause, 0)
    assert Kernel(f"import os; os._exit({status})").end() == (f"exited with status {status}", cause)
    assert TOTALS.deaths[cause] == before + 1


def test_a_signal_without_a_name_is_a_number() -> None:
    assert death._explained(-99, ()) == ("was killed (signal 99)", "signal")


def test_a_status_of_windows_is_told_as_windows_writes_it() -> None:
    assert death._explained(0xC0000005, ()) == ("exited with status 0xc0000005", "failed")


def test_a_kill_by_the_limit_of_its_own_cgroup_is_certain(machine: Machine) -> None:
    kernel = Kernel()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 1)
    assert kernel.end(signal.SIGKILL) == ("was killed (SIGKILL): out of memory, limit 2.0 GiB", "out_of_memory")


def test_a_kill_that_is_seen_before_the_process_has_ended_counts(machine: Machine) -> None:
    """The OOM killer counts first, and a large process takes a while to end; the next heartbeat may come in between."""
    kernel = Kernel()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 1)
    for _ in range(5):
        kernel.now += 1
        kernel.deaths.look()
    assert kernel.end(signal.SIGKILL)[1] == "out_of_memory"


def test_a_process_that_has_ended_is_shown_in_another_cgroup_and_that_changes_nothing(machine: Machine) -> None:
    kernel = Kernel()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 1)
    kernel.process.kill()
    kernel.process.wait()
    machine.make("/elsewhere", limit=None)
    machine.place(kernel.process.pid, "/elsewhere")
    kernel.deaths.look()
    assert kernel.end()[1] == "out_of_memory"


def test_a_process_that_has_left_its_cgroup_and_not_ended_yet_changes_nothing(machine: Machine) -> None:
    """The cgroup is empty then, which does not mean that others were in it."""
    kernel = Kernel()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 1)
    (folder / "cgroup.procs").write_text("")
    kernel.deaths.look()
    kernel.deaths.look()
    assert kernel.end(signal.SIGKILL)[1] == "out_of_memory"


def test_where_the_processes_of_the_cgroup_cannot_be_read_it_is_probable(machine: Machine) -> None:
    kernel = Kernel()
    folder = placed(machine, kernel)
    (folder / "cgroup.procs").unlink()
    kernel.deaths.look()
    machine.kill(folder, 1)
    kernel.deaths.look()
    assert kernel.end(signal.SIGKILL)[1] == "probably_out_of_memory"


def test_in_a_cgroup_with_others_it_is_probable(machine: Machine) -> None:
    """The kill may have been of one of the others, also of one that has left the cgroup meanwhile."""
    kernel = Kernel()
    folder = placed(machine, kernel, 1)
    kernel.deaths.look()
    placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 1)
    machine.limit(folder, None)
    assert kernel.end(signal.SIGKILL) == ("was killed (SIGKILL): probably out of memory", "probably_out_of_memory")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGSEGV])
def test_another_signal_is_no_lack_of_memory(machine: Machine, signum: signal.Signals) -> None:
    kernel = Kernel()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 1)
    assert "memory" not in kernel.end(signum)[0]


def test_kills_of_long_ago_are_not_of_this_process(machine: Machine) -> None:
    """They were of an earlier process of the kernel, or of another process in its cgroup."""
    kernel = Kernel()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.kill(folder, 3)
    for _ in range(4):
        kernel.now += death.SPAN / 2
        kernel.deaths.look()
    assert len(kernel.deaths._looks) == 3
    assert kernel.end(signal.SIGKILL)[1] == "SIGKILL"
    kernel.start()
    placed(machine, kernel)
    machine.kill(folder, 4)
    kernel.deaths.look()
    assert kernel.end(signal.SIGKILL)[1] == "SIGKILL"


def test_without_an_increase_or_a_look_a_kill_is_a_kill(machine: Machine) -> None:
    kernel = Kernel()
    assert kernel.end(signal.SIGKILL)[1] == "SIGKILL"
    kernel.start()
    folder = placed(machine, kernel)
    kernel.deaths.look()
    machine.file(folder, "kills").unlink()
    assert kernel.end(signal.SIGKILL)[1] == "SIGKILL"


def test_a_process_that_has_moved_is_measured_in_its_new_cgroup(machine: Machine) -> None:
    kernel = Kernel()
    machine.kill(machine.make("/start", limit=None), 0)
    machine.place(kernel.process.pid, "/start")
    kernel.deaths.look()
    folder = placed(machine, kernel)
    machine.kill(folder, 5)
    kernel.deaths.look()
    assert kernel.end(signal.SIGKILL)[1] == "SIGKILL"


def test_what_a_client_has_asked_for_is_no_death() -> None:
    kernel, before = Kernel("pass"), dict(TOTALS.deaths)
    kernel.deaths.expect()
    kernel.process.communicate()
    assert kernel.deaths.died() is None
    assert kernel.deaths.last is None
    assert TOTALS.deaths == before
    kernel.start("pass")
    assert kernel.end()[1] == "exited", "the next one counts"


class Asks:
    """A provisioner of another host."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def poll(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "later":
            await asyncio.sleep(0)
        return self.answer


@pytest.mark.parametrize("provisioner", [None, object(), *map(Asks, (0, None, "x", OSError(), "later"))])
async def test_a_provisioner_that_does_not_know_says_so(provisioner: Any) -> None:
    """Some say 0 however the process ended, so 0 counts as unknown."""
    deaths = Deaths(lambda: SimpleNamespace(provisioner=provisioner), LOG, "k")
    deaths.look()
    found = deaths.died()
    assert found is not None
    assert found[:2] == ("has ended, and its provisioner does not say why", "unknown")


async def test_what_a_provisioner_of_another_host_tells_is_believed() -> None:
    for answer, cause in ((-9, "SIGKILL"), (2, "failed")):
        found = Deaths(lambda answer=answer: SimpleNamespace(provisioner=Asks(answer)), LOG, "k").died()  # type: ignore[misc]
        assert found is not None
        assert found.cause == cause


def test_a_kernel_manager_that_is_gone_raises_nothing() -> None:
    found = Deaths(lambda: None, LOG, "k").died()
    assert found is not None
    assert found.cause == "unknown"
