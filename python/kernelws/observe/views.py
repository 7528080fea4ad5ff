"""One kernel or one session as the status page shows it: a row of numbers and words, and its rate over the last minutes.

A row holds no contents, keys, tokens or whole session ids: kernel ids (which the kernels API tells too), what
``OutboxStats`` counts, and words of ``words``. Cost: an unwatched view costs one read of a counter each ``EVERY`` seconds; a
row 10 us.
"""

from array import array
from typing import Any

from tornado.ioloop import IOLoop

from ..kernel_to_client.feed import Feed
from ..kernel_to_client.mailbox import Mailbox
from .complaints import Trouble
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
    """Of one mailbox."""

    def __init__(self, number: int, mailbox: Mailbox, now: float) -> None:
        stats = mailbox.outbox.stats()
        super().__init__(stats.written, stats.written_bytes, now)
        self.id = number
        self.incoming = Meter(stats.appended, now)
        self._name = shortened(mailbox.identity.key.rpartition(":")[2])

    def sample(self, mailbox: Mailbox, now: float) -> None:
        self.messages.sample(mailbox.outbox.stats().written, now)

    def look(self, mailbox: Mailbox, now: float) -> str:
        """Brings the row up to date; returns the session's state."""
        stats, bounds, overflow = mailbox.outbox.stats(), mailbox.bounds, mailbox.overflow
        state, seconds = state_of(mailbox, stats)
        heartbeat = mailbox.delivery.heartbeat if mailbox.delivery is not None else None
        silent = heartbeat is not None and heartbeat.given_up
        about = STATES.get("silent" if silent and state == "connected" else state, ("", ""))
        self.row = (
            *(self.id, mailbox.identity.kernel_id, self._name, state, round(now - seconds, 1)),
            *(state == "detached" and mailbox.tally.left, *about, mailbox.protocol),
            *(self.messages.look(stats.written, now), self.bytes.look(stats.written_bytes, now)),
            *(self.incoming.look(stats.appended, now), self.messages.last, stats.waiting, stats.text),
            *(overflow.memory_bytes(), overflow.disk_bytes, stats.unacknowledged),
            (bounds.backlog, bounds.memory, bounds.disk, bounds.high_water),
            milliseconds(heartbeat.round_trip if heartbeat is not None else None),
            *(stats.merged, sum(messages for messages, _ in stats.left_out.values())),
            *(mailbox.tally.resumes, stats.repeats, *said(mailbox.complaints.trouble)),
        )
        return state


class KernelView(View):
    """Of one kernel, whose manager may know no feed yet."""

    def __init__(self, feed: Feed | None, now: float) -> None:
        super().__init__(feed.flow.messages if feed else 0, feed.flow.bytes if feed else 0, now)

    def sample(self, feed: Feed | None, now: float) -> None:
        if feed is not None:
            feed.losses.look()
            self.messages.sample(feed.flow.messages, now)

    def look(self, kernel_id: str, kernel: Any, feed: Feed | None, now: float) -> None:
        """Brings the row up to date. ``kernel`` is its kernel manager, of whatever class."""
        name, state = getattr(kernel, "kernel_name", None), getattr(kernel, "execution_state", None)
        told = (kernel_id, str(name or ""), str(state or "unknown"))
        if feed is None:
            self.row = (*told, False, 0.0, 0.0, 0.0, 0, None, None, 0, "", "", 0.0, 0)
            return
        flow, behind = feed.flow, feed.behind_since
        self.row = (
            *(*told, feed.proven, self.messages.look(flow.messages, now), self.bytes.look(flow.bytes, now), self.messages.last),
            *(feed.proof.restarts, None if feed.proof.restarted_at is None else round(feed.proof.restarted_at, 1)),
            None if behind is None else round(now - (IOLoop.current().time() - behind), 1),
            *(feed.losses.total, *said(feed.complaints.trouble)),
        )


def said(trouble: Trouble) -> tuple[str, str, float, int]:
    """The last error in words, the trait that would change it, when, and how often."""
    if not trouble.kind:
        return "", "", 0.0, 0
    return (*advice(trouble.kind), round(trouble.at, 1), trouble.times)


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def shortened(session_id: str) -> str:
    """Enough to tell sessions apart, never the whole id."""
    return session_id[: max(1, min(8, len(session_id) // 2))]
