"""Counters of this process, for the metrics and the status page.

They count kernels, sessions and connections that have ended too, so they never decrease, as Prometheus requires. The counters
of an outbox are read from the outbox while its session exists, and added here when it ends.
Must not know kernels, sessions or clients. Not thread-safe: only the event loop's thread may use them.
Cost: two or three integer additions for each batch, client message, pong or fault. prometheus_client's Counter and Histogram
take locks and cost five times as much: 1.3 to 1.6 us a batch instead of 0.25 us.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

from .. import _core

CHANNELS = ("iopub", "shell", "control", "stdin", "other")
"""``other`` is for channels that a subclass has added."""
LEFT_OUT = ("rate", "slow_client", "detached", "full", "lost", "restarted", "interrupted", "closed")
"""The reasons of ``OutboxStats.left_out``."""
ENDS = ("ok", "error", "aborted", "lost")
"""How an execution ends, in the order of ``_core.Journal.finished``."""
GROWING = ("appended", "acknowledged", "written", "written_bytes", "repeats", "merged", "refused", "holds", "stalls")
"""The fields of ``OutboxStats`` that never decrease. ``sent``, for example, decreases when a client disconnects."""


@dataclass(slots=True)
class Flow:
    """Messages and bytes that passed through a place, such as a channel."""

    messages: int = 0
    bytes: int = 0

    def add(self, messages: int, size: int) -> None:
        self.messages += messages
        self.bytes += size


class Histogram:
    """A histogram with Prometheus's cumulative buckets."""

    def __init__(self, *bounds: float) -> None:
        """``bounds`` are the upper bounds of the buckets, ascending; a last one, infinity, is added."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """``(le, number of observations up to le)`` for each bucket; the last ``le`` is ``+Inf``."""
        total, buckets = 0, []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(total)))
        return buckets


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MESSAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class Outboxes:
    """The sums of the counters of several outboxes."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(GROWING, 0)
        self.resumes = 0
        self.left_out = {reason: Flow() for reason in LEFT_OUT}

    def add(self, stats: "_core.OutboxStats", resumes: int) -> None:
        for name in GROWING:
            self.sums[name] += getattr(stats, name)
        for reason, (messages, size) in stats.left_out.items():
            self.left_out[reason].add(messages, size)
        self.resumes += resumes

    def copy(self) -> "Outboxes":
        other = Outboxes()
        other.sums, other.resumes = dict(self.sums), self.resumes
        other.left_out = {reason: Flow(flow.messages, flow.bytes) for reason, flow in self.left_out.items()}
        return other


class Executions:
    """The sums of ``_core.Journal.finished`` of several journals."""

    def __init__(self) -> None:
        self.ends = dict.fromkeys(ENDS, 0)
        self.seconds = Histogram(*_core.Journal.durations)

    def add(self, finished: tuple[list[int], list[int], float]) -> None:
        ends, durations, seconds = finished
        for name, count in zip(ENDS, ends, strict=True):
            self.ends[name] += count
        self.seconds.counts = [before + more for before, more in zip(self.seconds.counts, durations, strict=True)]
        self.seconds.sum += seconds

    def copy(self) -> "Executions":
        other = Executions()
        other.ends, other.seconds.counts, other.seconds.sum = dict(self.ends), list(self.seconds.counts), self.seconds.sum
        return other


@dataclass
class Totals:
    """All counters. They count events unless their docs say otherwise."""

    from_kernels: dict[str, Flow] = field(default_factory=lambda: {channel: Flow() for channel in CHANNELS})
    to_kernels: dict[str, Flow] = field(default_factory=lambda: {channel: Flow() for channel in CHANNELS})
    drains: Histogram = field(default_factory=lambda: Histogram(*MESSAGES))
    """Messages per batch."""
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    """Bad messages by ``(channel, kind)``, as in ``FaultLog``."""
    ended: Outboxes = field(default_factory=Outboxes)
    """The outboxes of sessions that have ended."""
    dropped: int = 0
    """Messages that ``overload = "drop"`` has dropped."""
    socket_stalls: int = 0
    """Writes that a client's socket did not take at once."""
    silent_clients: int = 0
    """Connections that answered no ping for ``ack_timeout``."""
    intake_lags: int = 0
    """How often a kernel's share of the event loop was doubled because its output lagged behind."""
    suspected_losses: int = 0
    """Messages that kernels numbered and this server never received."""
    executions: Executions = field(default_factory=Executions)
    """Executions that have ended, in the journals of kernels that are gone."""
    deaths: dict[str, int] = field(default_factory=dict)
    """Kernel processes that died, by ``kernel.death.CAUSES``."""
    unresponsive_kernels: int = 0
    """How many kernels answer no heartbeats now. The only number here that can decrease."""
    audit_failures: int = 0
    """Audit events that were not recorded."""
    restarts: int = 0
    """Kernel processes that replaced an earlier process of the same kernel."""
    disk_failures: int = 0
    """Blocks that the disk could not write or read."""
    overfull_sessions: int = 0
    """Sessions that were ended because their outbox was full and no more could be left out."""
    connect: Histogram = field(default_factory=lambda: Histogram(*SECONDS, 30.0, 60.0))
    """Seconds from a client's request until messages flow both ways."""
    round_trip: Histogram = field(default_factory=lambda: Histogram(*SECONDS))
    """Seconds from a ping to its pong."""
    loop_lag: Histogram = field(default_factory=lambda: Histogram(*SECONDS))
    """Seconds by which a timer of the event loop was late; measured once a second."""

    def received(self, channel: str, messages: int, size: int) -> None:
        """Counts a batch from a kernel; ``size`` is in bytes."""
        self.from_kernels[channel if channel in self.from_kernels else "other"].add(messages, size)
        self.drains.observe(messages)

    def sent(self, channel: str, size: int) -> None:
        """Counts a message to a kernel; ``size`` is in bytes."""
        self.to_kernels[channel if channel in self.to_kernels else "other"].add(1, size)

    def fault(self, channel: str, kind: str) -> None:
        self.faults[channel, kind] = self.faults.get((channel, kind), 0) + 1


TOTALS = Totals()
