"""The status page's view of one kernel or session: a row of values, and the message rates of the last minutes for a plot.

A row must not have contents of messages, keys, tokens or whole session ids. It has counters, texts of ``words``, and the
kernel's id, which the kernels API shows too.
Cost: a view reads one counter every ``EVERY`` seconds; updating a row takes 10 us.
"""

import time
from array import array
from typing import Any

from tornado.ioloop import IOLoop

from ..kernel.journal import OPEN_STATES, Facts
from ..kernel.kernel import Kernel
from ..record.faults import LastFault
from ..session.session import ClientSession
from .state import state_of
from .words import STATES, advice

EVERY = 5.0
"""Seconds between two points of a plot."""
POINTS = 60
"""Points of a plot: five minutes."""
INSTANT = 0.001
"""Seconds. Over a shorter time a rate is not computed, since it would mean nothing."""

KERNEL_COLUMNS = (
    *("id", "name", "state", "heard", "rate", "bytes", "sample"),
    *("restarts", "restarted", "died", "death", "behind", "lost", "open", "running", "error", "trait", "at", "times"),
)
SESSION_COLUMNS = (
    *("id", "kernel", "name", "state", "since", "closed", "about", "state_trait", "protocol"),
    *("rate", "bytes", "incoming", "sample", "waiting", "text", "memory", "disk", "unacknowledged", "bounds"),
    *("ping", "merged", "left_out", "resumes", "repeats", "error", "trait", "at", "times"),
)
"""``closed`` is True if the session is detached because its client closed the WebSocket, as a closed page does. ``bounds`` are
the limits for text, memory, disk and unacknowledged bytes; 0 is no limit. ``open`` are the numbers of executions that are queued,
that run, and that wait for input; ``running`` is since when the oldest one runs."""

Row = tuple[Any, ...]


class Meter:
    """The rate of a counter: since the last update, and as points over the last minutes."""

    __slots__ = ("_at", "_count", "_sampled", "_sampled_at", "points", "rate")

    def __init__(self, count: int, now: float) -> None:
        self._count = self._sampled = count
        self._at = self._sampled_at = now
        self.rate = 0.0
        self.points = array("d")
        """Rates per second, oldest first, at most ``POINTS``."""

    def update(self, count: int, now: float) -> float:
        """Returns the rate per second since the last update."""
        if now - self._at >= INSTANT:
            self.rate = rounded((count - self._count) / (now - self._at))
            self._count, self._at = count, now
        return self.rate

    def sample(self, count: int, now: float) -> None:
        """Adds a point: the mean rate since the last point."""
        if now - self._sampled_at >= INSTANT:
            self.points.append(rounded((count - self._sampled) / (now - self._sampled_at)))
            del self.points[:-POINTS]
            self._sampled, self._sampled_at = count, now

    @property
    def last(self) -> float:
        return self.points[-1] if self.points else 0.0


def rounded(rate: float) -> float:
    """A rate rounded for display. Never negative: a counter that began again from 0 counts as no rate."""
    return float(round(rate)) if rate >= 10 else max(0.0, round(rate, 1))


class View:
    """A kernel's or session's rates and row. ``row`` is empty until a page first requests the data."""

    def __init__(self, messages: int, size: int, now: float) -> None:
        self.messages = Meter(messages, now)
        self.bytes = Meter(size, now)
        self.row: Row = ()


class SessionView(View):
    """The view of one session."""

    def __init__(self, number: int, session: ClientSession, now: float) -> None:
        stats = session.outbox.stats()
        super().__init__(stats.written, stats.written_bytes, now)
        self.id = number
        self.incoming = Meter(stats.appended, now)
        self._name = shortened(session.identity.key.rpartition(":")[2])

    def sample(self, session: ClientSession, now: float) -> None:
        self.messages.sample(session.outbox.stats().written, now)

    def update(self, session: ClientSession, now: float) -> str:
        """Updates the row; returns the session's state."""
        stats, limits, spill = session.outbox.stats(), session.limits, session.spill
        state, seconds = state_of(session, stats)
        client = session.client
        silent = client is not None and client.silent
        about = STATES.get("silent" if silent and state == "connected" else state, ("", ""))
        self.row = (
            *(self.id, session.identity.kernel_id, self._name, state, round(now - seconds, 1)),
            *(state == "detached" and session.stats.page_closed, *about, session.protocol),
            *(self.messages.update(stats.written, now), self.bytes.update(stats.written_bytes, now)),
            *(self.incoming.update(stats.appended, now), self.messages.last, stats.waiting, stats.text),
            *(spill.memory_bytes(), spill.disk_bytes, stats.unacknowledged),
            (limits.stream_backlog_limit, limits.session_memory_limit, limits.session_disk_limit, limits.write_high_water),
            milliseconds(client.round_trip if client is not None else None),
            *(stats.merged, sum(messages for messages, _ in stats.left_out.values())),
            *(session.stats.resumes, stats.repeats, *fault_columns(session.faults.last_fault)),
        )
        return state


class KernelView(View):
    """The view of one kernel. ``kernel`` is None until kernelws has opened the kernel's feed."""

    def __init__(self, kernel: Kernel | None, now: float) -> None:
        super().__init__(kernel.flow.messages if kernel else 0, kernel.flow.bytes if kernel else 0, now)

    def sample(self, kernel: Kernel | None, now: float) -> None:
        if kernel is not None:
            kernel.losses.look()
            self.messages.sample(kernel.flow.messages, now)

    def update(self, kernel_id: str, manager: Any, kernel: Kernel | None, now: float) -> None:
        """Updates the row. ``manager`` is the kernel's KernelManager, of any class."""
        name, state = getattr(manager, "kernel_name", None), getattr(manager, "execution_state", None)
        known = (kernel_id, str(name or ""), str(state or "unknown"))
        if kernel is None:
            self.row = (*known, False, 0.0, 0.0, 0.0, 0, None, None, "", None, 0, (0, 0, 0), None, "", "", 0.0, 0)
            return
        flow, behind, death = kernel.flow, kernel.feed.behind_since, kernel.deaths.last
        if kernel.pulse.unresponsive:
            known = (*known[:2], "unresponsive")
        self.row = (
            *(*known, kernel.proven, self.messages.update(flow.messages, now), self.bytes.update(flow.bytes, now)),
            *(self.messages.last, kernel.proof.restarts),
            None if kernel.proof.restarted_at is None else round(kernel.proof.restarted_at, 1),
            *((None, "") if death is None else (round(death.at, 1), death.why)),
            None if behind is None else round(now - (IOLoop.current().time() - behind), 1),
            *(kernel.losses.total, *executions_of(kernel, now), *fault_columns(kernel.faults.last_fault)),
        )


def executions_of(kernel: Kernel, now: float) -> tuple[tuple[int, ...], float | None]:
    """How many executions are queued, run, and wait for input, and since when the oldest one runs. Nothing of their contents."""
    found = [] if kernel.journal is None else [Facts(*facts) for facts in kernel.journal.core.open()]
    began = min((facts.started for facts in found if facts.started is not None), default=None)
    numbers = tuple(sum(facts.shown_state == state for facts in found) for state in OPEN_STATES)
    return numbers, None if began is None else round(now - (time.time() - began), 1)


def fault_columns(fault: LastFault) -> tuple[str, str, float, int]:
    """The last columns of a row: the fault in words, the trait that would change it, when it happened, and how often."""
    if not fault.kind:
        return "", "", 0.0, 0
    return (*advice(fault.kind), round(fault.at, 1), fault.times)


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def shortened(session_id: str) -> str:
    """The beginning of a session's id: enough to tell sessions apart, and never the whole id."""
    return session_id[: max(1, min(8, len(session_id) // 2))]
