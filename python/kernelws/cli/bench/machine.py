"""Reads from the operating system: CPU time, memory, descriptors and cores of a process, and a description of the machine.

Must not measure by sampling. CPU time is the scheduler's clock of the process (nanoseconds, with all its threads, also ended
ones), or the ticks in /proc/<pid>/stat if that clock is not available. Cost: a system call or one small file a value.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("kernelws", "jupyter_server", "jupyter_client", "tornado", "pyzmq", "ipykernel")
QUIET_STEP = 0.04
QUIET_STEPS = 3
QUIET_SHARE = 0.03


@functools.cache
def cores() -> tuple[int, int]:
    """The server's core, and the core of kernels and clients; the same one if there is only one. Call this before `pin`."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def pin() -> None:
    """Moves this process to the core of kernels and clients."""
    os.sched_setaffinity(0, {cores()[1]})


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that are started in this context run on `core`. They inherit it, so no code runs between fork and exec."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """User and system time of `pid` with all its threads, in seconds."""
    try:
        # The clock id as clock_getcpuclockid(3) computes it: ~pid << 3, and CPUCLOCK_SCHED = 2
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kb(pid: int, field: str = "VmRSS") -> int:
    """`VmRSS` (now) or `VmHWM` (peak since `reset_peak`) of a process, in KB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(f"/proc/{pid}/status has no {field}")


def reset_peak(pid: int) -> None:
    """Resets `VmHWM`; see clear_refs in proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pid: int) -> int:
    """The number of open file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def wait_quiet(pid: int, timeout: float = 60.0) -> None:
    """Waits until the process has used almost no CPU for a while, so that its queues are empty. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    calm, before = 0, cpu_seconds(pid)
    while calm < QUIET_STEPS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} did not become quiet in {timeout:.0f} s")
        time.sleep(QUIET_STEP)
        now = cpu_seconds(pid)
        calm = calm + 1 if now - before < QUIET_STEP * QUIET_SHARE else 0
        before = now


def describe() -> list[str]:
    """Lines of text about the machine and the versions of the packages."""
    server, others = cores()
    return [
        f"{_cpu_model()}, {os.cpu_count()} cores; {platform.platform()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version}" for name, version in _versions()),
        (f"server on core {server}, kernels and clients on core {others}; {load('start')}"),
    ]


def load(when: str) -> str:
    """The machine's load average, as text."""
    return f"load average at the {when} {os.getloadavg()[0]:.2f}"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)
