"""One kernel or one session as the status page shows it: a row of numbers and words, and its rate over the last minutes.

A row holds no contents, keys, tokens or whole session ids: kernel ids (which the kernels API tells too), what
``OutboxStats`` counts, and words of ``words``. Cost: an unwatched view costs one read of a counter each ``EVERY`` seconds; a
row 10 us.
"""

from array import array
from typing import Any

from tornado.ioloop import IOLoop

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
"""Seconds below which two looks are one: a rate over less says nothing."""

KERNEL_COLUMNS = (
    *("id", "name", "state", "heard", "rate", "bytes", "sample"),
    *("restarts", "restarted", "behind", "lost", "error", "trait", "at", "times"),
)
SESSION_COLUMNS = (
    *("id", "kernel", "name", "state", "since", "closed", "about", "state_trait", "protocol"),
    *("rate", "bytes", "incoming", "sample", "waiting", "text", "memory", "disk", "unacknowledged", "bounds"),
    *("ping", "merged", "left_out", "resumes", "repeats", "error", "trait", "at", "times"),
)
"""``closed``: nobody is connected, since the client has closed its WebSocket itself, as a page does that is closed. ``bounds``
are those of text, memory, disk and what is not acknowledged, in bytes; 0 is no limit."""

Row = tuple[Any, ...]


class Meter:
    """A counter's rate: now (since the last look) and over the last minutes."""

    __slots__ = ("_at", "_count", "_sampled", "_sampled_at", "points", "rate")

    def __init__(self, count: int, now: float) -> None:
        self._count = self._sampled = count
        self._at = self._sampled_at = now
        self.rate = 0.0
        self.points = array("d")
        """Per second, oldest first, at most ``POINTS``."""

    def look(self, count: int, now: float) -> float:
        """The rate since the last look, per second."""
        if now - self._at >= INSTANT:
            self.rate = rounded((count - self._count) / (now - self._at))
            self._count, self._at = count, now
        return self.rate

    def sample(self, count: int, now: float) -> None:
        """Adds a point: the mean rate since the last one."""
        if now - self._sampled_at >= INSTANT:
            self.points.append(rounded((count - self._sampled) / (now - self._sampled_at)))
            del self.points[:-POINTS]
            self._sampled, self._sampled_at = count, now

    @property
    def last(self) -> float:
        return self.points[-1] if self.points else 0.0


def rounded(rate: float) -> float:
    """A rate with as many digits as somebody reads, and never below 0 (a new incarnation's counter begins anew)."""
    return float(round(rate)) if rate >= 10 else max(0.0, round(rate, 1))


class View:
    """What the page knows of a kernel or a session. ``row`` is empty until a viewer has asked."""

    def __init__(self, messages: int, size: int, now: float) -> None:
        self.messages = Meter(messages, now)
        self.bytes = Meter(size, now)
        self.row: Row = ()


class SessionView(View):
    """Of one session."""

    def __init__(self, number: int, session: ClientSession, now: float) -> None:
        stats = session.outbox.stats()
        super().__init__(stats.written, stats.written_bytes, now)
        self.id = number
        self.incoming = Meter(stats.appended, now)
        self._name = shortened(session.identity.key.rpartition(":")[2])

    def sample(self, session: ClientSession, now: float) -> None:
        self.messages.sample(session.outbox.stats().written, now)

    def look(self, session: ClientSession, now: float) -> str:
        """Brings the row up to date; returns the session's state."""
        stats, limits, spill = session.outbox.stats(), session.limits, session.spill
        state, seconds = state_of(session, stats)
        client = session.client
        silent = client is not None and client.silent
        about = STATES.get("silent" if silent and state == "connected" else state, ("", ""))
        self.row = (
            *(self.id, session.identity.kernel_id, self._name, state, round(now - seconds, 1)),
            *(state == "detached" and session.stats.page_closed, *about, session.protocol),
            *(self.messages.look(stats.written, now), self.bytes.look(stats.written_bytes, now)),
            *(self.incoming.look(stats.appended, now), self.messages.last, stats.waiting, stats.text),
            *(spill.memory_bytes(), spill.disk_bytes, stats.unacknowledged),
            (limits.stream_backlog_limit, limits.session_memory_limit, limits.session_disk_limit, limits.write_high_water),
            milliseconds(client.round_trip if client is not None else None),
            *(stats.merged, sum(messages for messages, _ in stats.left_out.values())),
            *(session.stats.resumes, stats.repeats, *said(session.faults.last_fault)),
        )
        return state


class KernelView(View):
    """Of one kernel, whose manager may know no kernel yet."""

    def __init__(self, kernel: Kernel | None, now: float) -> None:
        super().__init__(kernel.flow.messages if kernel else 0, kernel.flow.bytes if kernel else 0, now)

    def sample(self, kernel: Kernel | None, now: float) -> None:
        if kernel is not None:
            kernel.losses.look()
            self.messages.sample(kernel.flow.messages, now)

    def look(self, kernel_id: str, manager: Any, kernel: Kernel | None, now: float) -> None:
        """Brings the row up to date. ``kernel`` is its kernel manager, of whatever class."""
        name, state = getattr(manager, "kernel_name", None), getattr(manager, "execution_state", None)
        told = (kernel_id, str(name or ""), str(state or "unknown"))
        if kernel is None:
            self.row = (*told, False, 0.0, 0.0, 0.0, 0, None, None, 0, "", "", 0.0, 0)
            return
        flow, behind = kernel.flow, kernel.feed.behind_since
        self.row = (
            *(*told, kernel.proven, self.messages.look(flow.messages, now), self.bytes.look(flow.bytes, now), self.messages.last),
            *(kernel.proof.restarts, None if kernel.proof.restarted_at is None else round(kernel.proof.restarted_at, 1)),
            None if behind is None else round(now - (IOLoop.current().time() - behind), 1),
            *(kernel.losses.total, *said(kernel.faults.last_fault)),
        )


def said(trouble: LastFault) -> tuple[str, str, float, int]:
    """The last error in words, the trait that would change it, when, and how often."""
    if not trouble.kind:
        return "", "", 0.0, 0
    return (*advice(trouble.kind), round(trouble.at, 1), trouble.times)


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def shortened(session_id: str) -> str:
    """Enough to tell sessions apart, never the whole id."""
    return session_id[: max(1, min(8, len(session_id) // 2))]
