"""Why a kernel's process has ended, where that can be known: its exit status or signal, and whether its memory was used up.

The provisioner knows the status. "Out of memory" needs SIGKILL, and a count of OOM kills in the process's cgroup that has grown
shortly before. If other processes were in this cgroup, the OOM killer may have killed one of them, and the text says "probably".
A restart or a shutdown that a client asked for is no death. Must not touch the process, and must not raise.
Cost: 100 us for each heartbeat of the kernel, in which the cgroup is read.
"""

import inspect
import logging
import signal
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_client.session import DELIM

from .. import container
from ..messages import notices
from ..record.counters import TOTALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .listener import Followed

CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"})
"""Signals that a process causes itself."""
CAUSES = (
    "out_of_memory",
    "probably_out_of_memory",
    "SIGKILL",
    "SIGTERM",
    *sorted(CRASHES),
    "signal",
    "failed",
    "exited",
    "unknown",
)
"""What a death is called in the metrics. ``signal``: by another one; ``failed``: exit status other than 0; ``exited``: 0."""


NTSTATUS = 1 << 31
"""Exit statuses from here on are Windows's own, such as 0xC0000005 for an access violation. There is no signal there."""
SPAN = 10.0
"""Seconds. A kill that was counted longer ago was of another process: the end of a process is noticed within a few seconds."""


class Death(NamedTuple):
    """The end of a process."""

    why: str
    """The predicate of a sentence about the kernel: ``was killed (SIGKILL): out of memory, limit 2.0 GiB``."""
    cause: str
    """One of ``CAUSES``."""
    at: float
    """When it was noticed, in seconds of ``time.monotonic``."""


class _Look(NamedTuple):
    """A living process's cgroup."""

    pid: int
    cgroup: container.Cgroup
    kills: int
    processes: frozenset[int]
    at: float


class Deaths:
    """The deaths of one kernel's processes."""

    def __init__(
        self,
        manager: "Callable[[], Any]",
        log: logging.Logger,
        kernel_id: str,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        """``manager`` returns the kernel manager, or None if it no longer exists."""
        self.last: Death | None = None
        self._manager, self._log, self._kernel_id, self._clock = manager, log, kernel_id, clock
        self._looks: deque[_Look] = deque()
        """Those of the last ``SPAN`` seconds, and the one before. A killed process takes a while to free its memory. Looks during
        this time already count the kill, and may show another cgroup (version 1), so the last look is not enough."""
        self._expected = False

    @property
    def _provisioner(self) -> Any:
        return getattr(self._manager(), "provisioner", None)

    def look(self) -> None:
        """Notes the cgroup of the kernel's process, and how many processes were killed in it so far."""
        process = _local(self._provisioner)
        cgroup = None if process is None else container.cgroup_of(process.pid)
        kills = None if cgroup is None else cgroup.oom_kills()
        if process is None or cgroup is None or kills is None:
            return
        look = _Look(process.pid, cgroup, kills, cgroup.processes(), self._clock())
        if self._looks and self._looks[-1].pid != process.pid:
            self._looks.clear()
        leaving = self._looks and process.pid in self._looks[-1].processes - look.processes
        if leaving or process.poll() is not None:
            return
        self._looks.append(look)
        while len(self._looks) > 2 and self._looks[1].at <= look.at - SPAN:
            self._looks.popleft()

    def expect(self) -> None:
        """A client has asked the kernel to shut down."""
        self._expected = True

    def died(self) -> Death | None:
        """The kernel's process has ended. Counts and logs its death, and returns it; None if a client asked for it."""
        expected, self._expected = self._expected, False
        looks = tuple(self._looks)
        self._looks.clear()
        if expected:
            return None
        why, cause = _explained(_status(self._provisioner), looks)
        self.last = Death(why, cause, self._clock())
        TOTALS.deaths[cause] = TOTALS.deaths.get(cause, 0) + 1
        self._log.warning("kernel %s died: it %s", self._kernel_id, why)
        return self.last


def _local(provisioner: Any) -> "subprocess.Popen[bytes] | None":
    """The kernel's process, if the provisioner started it on this machine."""
    process = getattr(provisioner, "process", None)
    return process if isinstance(process, subprocess.Popen) else None


def _status(provisioner: Any) -> int | None:
    """The exit status, negative for a signal. None if the provisioner does not know it: some say 0 however a process ended, so
    their 0 counts as unknown."""
    process = _local(provisioner)
    if process is not None:
        return process.poll()
    try:
        asked = provisioner.poll()
        if inspect.iscoroutine(asked):
            try:
                asked.send(None)  # must not wait: only an answer that is there at once counts
            finally:
                asked.close()
            return None
    except StopIteration as answer:
        asked = answer.value
    except Exception:  # noqa: BLE001 - whatever a provisioner raises
        return None
    return asked if isinstance(asked, int) and asked else None


def _explained(status: int | None, looks: tuple[_Look, ...]) -> tuple[str, str]:
    """See ``Death``."""
    if status is None:
        return "has ended, and its provisioner does not say why", "unknown"
    if status >= 0:
        return f"exited with status {status if status < NTSTATUS else hex(status)}", "failed" if status else "exited"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return f"was killed (signal {-status})", "signal"
    first = {look.cgroup: look for look in reversed(looks)}
    full = [cgroup for cgroup, look in first.items() if name == "SIGKILL" and (cgroup.oom_kills() or 0) > look.kills]
    if full:
        limit = full[-1].limit()
        shared = any(look.processes != {look.pid} for look in looks if look.cgroup == full[-1])
        text = "" if limit is None else f", limit {container.written(limit)}"
        cause = "probably_out_of_memory" if shared else "out_of_memory"
        return f"was killed (SIGKILL): {cause.replace('_', ' ')}{text}", cause
    verb = "crashed" if name in CRASHES else "was killed"
    return f"{verb} ({name})", name if name in CAUSES else "signal"


def tell(kernel: "Followed", death: Death | None) -> None:
    """Notifies the kernel's listeners that the process has ended. Must be called after its last message, and before sessions
    announce ``restarting``: only then do clients show the text below the cells that ran."""
    parents, kernel.last_status = _running(kernel), None
    text = None if death is None else notices.died(death.why)
    for processes in {id(listener.processes): listener.processes for listener in kernel.listeners}.values():
        processes.died(text, parents)


def _running(kernel: "Followed") -> list[dict[str, Any]]:
    """The headers of the requests that the process ran: those that run in the journal, and the parent of a last status ``busy``.

    If none runs in the journal, its oldest open one: a process may end before it publishes that it has begun.
    """
    found: dict[str, dict[str, Any]] = {}
    if kernel.journal is not None:
        open_ones = kernel.journal.core.open()
        running = [facts for facts in open_ones if facts[5] == "running"] or open_ones[-1:]
        found = {facts[0]: {"msg_id": facts[0], "msg_type": "execute_request", "session": facts[4]} for facts in running}
    if kernel.last_status is not None:
        _, parent, _, content = kernel.last_status[kernel.last_status.index(DELIM) + 2 :][:4]
        if notices.readable(kernel.session, content).get("execution_state") == "busy":
            header = notices.readable(kernel.session, parent)
            found[str(header.get("msg_id"))] = header
    return list(found.values())
