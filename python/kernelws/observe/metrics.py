"""Prometheus metrics, on the server's ``/metrics`` page.

The collector is registered with prometheus_client. jupyter_server serves that registry and decides who may read it. A scrape
reads ``record.counters``, the outboxes of all sessions and the journals of all kernels; nothing is stored for the metrics.
Labels must not name a kernel, a session or a user, so that the number of series is fixed. Must not change anything. Cost: for
each scrape 10 us a session, 10 us a journal and 3 us an execution that has not ended.
"""

import time
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from .. import _core
from ..kernel.death import CAUSES
from ..kernel.journal import OPEN_STATES, Facts
from ..kernel.journals import Journals
from ..record.counters import CHANNELS, TOTALS, Flow, Histogram, Outboxes
from ..session.registry import Registry
from ..session.session import ClientSession
from ..sockets.transport import choose
from . import words
from .state import STATES, state_of

PREFIX = "kernelws_"
SOURCES = (*CHANNELS, "client")
"""The values of the label ``channel`` of a fault: a kernel's channel, or ``client`` for a client's frame."""

Living = list[tuple[ClientSession, _core.OutboxStats]]

_registered: set[CollectorRegistry] = set()


def register(registry: CollectorRegistry = REGISTRY) -> None:
    """Adds the collector to a registry; a second call does nothing."""
    if registry not in _registered:
        registry.register(Collector())
        _registered.add(registry)


class Collector:
    """Makes all metrics for a scrape."""

    def describe(self) -> Iterable[Metric]:
        """The metrics' names, with which the registry finds duplicates."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        sessions = [session for registry in Registry.of_process for session in registry.sessions]
        living = [(session, session.outbox.stats()) for session in sessions]
        yield from _traffic()
        yield from _outboxes(living)
        yield from _waiting(living)
        yield from _faults()
        yield from _times()
        yield from _executions()
        yield from _kernels()
        yield from _events()
        yield from _about()


# traffic


def _traffic() -> Iterator[Metric]:
    messages = _counter("messages", "Messages from and to kernels, as the kernels count them.", ["channel", "direction"])
    size = _counter("bytes", "Bytes of all frames from kernels, and of the parts sent to them.", ["channel", "direction"])
    for direction, flows in (("from_kernel", TOTALS.from_kernels), ("to_kernel", TOTALS.to_kernels)):
        for channel, flow in flows.items():
            messages.add_metric([channel, direction], flow.messages)
            size.add_metric([channel, direction], flow.bytes)
    yield messages
    yield size
    yield _histogram("drain_batch_messages", "Messages received by one drain of a kernel's socket.", TOTALS.drains)


def _outboxes(living: Living) -> Iterator[Metric]:
    sums = TOTALS.ended.copy()
    for session, stats in living:
        sums.add(stats, session.stats.resumes)
    for field, name, text in _OF_OUTBOXES:
        yield _single(name, text, sums.sums[field])
    yield _single("resumes", "Clients that reconnected to their session.", sums.resumes)
    stalls = _counter("write_stalls", "How often writing began to wait for a client.", ["reason"])
    stalls.add_metric(["unacknowledged"], sums.sums["stalls"])
    stalls.add_metric(["socket"], TOTALS.socket_stalls)
    yield stalls
    yield from _left_out(sums)


_OF_OUTBOXES = (
    ("appended", "appended_messages", "Messages of kernels that were added to the outboxes of sessions."),
    ("written", "written_messages", "Messages of kernels that were written to clients; one that is written twice counts twice."),
    ("written_bytes", "written_bytes", "Bytes that were written to clients, WebSocket frames included."),
    ("acknowledged", "acknowledged_messages", "Messages of kernels that clients have acknowledged."),
    ("repeats", "repeated_messages", "Messages that were written again, to a client that reconnected."),
    ("merged", "merged_messages", "Messages that were merged into another one, or replaced by a newer one."),
    ("refused", "refused_messages", "Messages that a client's subprotocol cannot represent."),
    ("holds", "holds", "How often a session's output began to wait for the rate limits."),
)


def _left_out(sums: Outboxes) -> Iterator[Metric]:
    messages = _counter("left_out_messages", "Messages of kernels that were left out of a session's output.", ["reason"])
    size = _counter("left_out_bytes", "Bytes of the stream text, or of the whole messages, that were left out.", ["reason"])
    dropped = Flow(TOTALS.dropped)
    for reason, flow in (*sums.left_out.items(), ("dropped", dropped)):
        messages.add_metric([reason], flow.messages)
        if flow is not dropped:
            size.add_metric([reason], flow.bytes)
    yield messages
    yield size


# queued output


def _waiting(living: Living) -> Iterator[Metric]:
    sums = {state: [0] * len(_BY_STATE) for state in STATES}
    unacknowledged = 0
    for session, stats in living:
        now = (1, stats.waiting, session.spill.memory_bytes(), session.spill.disk_bytes)
        state, _ = state_of(session, stats)
        sums[state] = [before + more for before, more in zip(sums[state], now, strict=True)]
        unacknowledged += stats.unacknowledged
    for column, (name, text) in enumerate(_BY_STATE):
        gauge = _gauge(name, text, ["state"])
        for state, row in sums.items():
            gauge.add_metric([state], row[column])
        yield gauge
    memory = _core.live_bytes() + sum(session.outbox.upkeep() for session, _ in living)
    text = "Bytes of memory of all outboxes, as outbox_memory_limit counts them: a message that sessions share counts once."
    yield _gauge("all_outboxes_memory_bytes", text, value=memory)
    yield _gauge("unacknowledged_bytes", "Bytes that were written and not acknowledged.", value=unacknowledged)


_BY_STATE = (
    ("sessions", "Sessions, by their state."),
    ("waiting_messages", "Messages that are queued for clients."),
    ("outbox_memory_bytes", "Bytes of queued and unacknowledged messages in memory; one that sessions share counts in each."),
    ("outbox_disk_bytes", "Bytes of queued messages on disk."),
)


# faults, times and events


def _faults() -> Iterator[Metric]:
    signatures = _counter("signature_failures", "Messages of kernels with a wrong signature or none.", ["channel", "kind"])
    replays = _counter("replays", "Messages of kernels that had been received before.", ["channel"])
    malformed = _counter("malformed", "Other malformed messages and frames, which were dropped.", ["channel", "kind"])
    counts: dict[tuple[str, str], int] = {}
    for (channel, kind), count in TOTALS.faults.items():
        key = (channel if channel in SOURCES else "other", kind if kind in words.FAULTS else "other")
        counts[key] = counts.get(key, 0) + count
    for channel in CHANNELS:
        replays.add_metric([channel], counts.pop((channel, words.REPLAY), 0))
        for kind in sorted(words.SIGNATURES):
            signatures.add_metric([channel, kind], counts.pop((channel, kind), 0))
    for labels, count in sorted(counts.items()):
        malformed.add_metric(labels, count)
    yield from (signatures, replays, malformed)


def _times() -> Iterator[Metric]:
    yield _histogram("connect_seconds", "From a client's request until its messages flow both ways.", TOTALS.connect)
    yield _histogram("ping_round_trip_seconds", "From a ping to its pong.", TOTALS.round_trip)
    yield _histogram("event_loop_lag_seconds", "How late a timer of the event loop was, once a second.", TOTALS.loop_lag)


# executions and kernels


def _executions() -> Iterator[Metric]:
    """From the journals. An execution that was forgotten after its end is still counted."""
    sums, journals = TOTALS.executions.copy(), [journal for journals in Journals.of_process for journal in journals.living]
    open_ones = [Facts(*found) for journal in journals for found in journal.core.open()]
    for journal in journals:
        sums.add(journal.core.finished())
    states = _gauge("open_executions", "Executions that have not ended. Those that wait for input are not in running.", ["state"])
    for state in OPEN_STATES:
        states.add_metric([state], sum(facts.shown_state == state for facts in open_ones))
    yield states
    began = min((facts.started for facts in open_ones if facts.started is not None), default=None)
    longest = 0.0 if began is None else max(0.0, time.time() - began)
    yield _gauge(
        "longest_execution_seconds", "How long the execution that began first has been running; 0: none runs.", value=longest
    )
    ended = _counter("executions", "Executions that have ended.", ["status"])
    for status, count in sums.ends.items():
        ended.add_metric([status], count)
    yield ended
    yield _histogram("execution_seconds", "From the beginning of an execution to its end.", sums.seconds)


def _kernels() -> Iterator[Metric]:
    deaths = _counter("kernel_deaths", "Kernel processes that died.", ["cause"])
    for cause in CAUSES:
        deaths.add_metric([cause], TOTALS.deaths.get(cause, 0))
    yield deaths
    text = "Kernels that have answered no heartbeat for three periods."
    yield _gauge("unresponsive_kernels", text, value=TOTALS.unresponsive_kernels)
    yield _single(
        "audit_failures", "Audit events that were not recorded, because a handler of events failed.", TOTALS.audit_failures
    )


def _events() -> Iterator[Metric]:
    yield _single("suspected_losses", "Messages that kernels numbered and this server never received.", TOTALS.suspected_losses)
    yield _single("restarts", "Kernel processes that replaced an earlier process of the same kernel.", TOTALS.restarts)
    yield _single("silent_clients", "Connections that answered no ping for ack_timeout.", TOTALS.silent_clients)
    yield _single("intake_lag", "How often a kernel's share of the event loop was doubled.", TOTALS.intake_lags)
    yield _single("disk_failures", "Blocks that the disk could not write or read.", TOTALS.disk_failures)
    yield _single("overfull_sessions", "Sessions that were ended because their outbox was full.", TOTALS.overfull_sessions)


def _about() -> Iterator[Metric]:
    way = choose().reason.partition(":")[0]
    yield _info("receive", "How messages are received from kernels.", {"way": way})
    yield _info("build", "The version of kernelws.", {"version": _core.__version__})


# prometheus_client's families


def _counter(name: str, text: str, labels: list[str]) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, labels=labels)


def _single(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, value=value)


def _gauge(name: str, text: str, labels: list[str] | None = None, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value, labels)


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(PREFIX + name, text, histogram.cumulative(), histogram.sum)


def _info(name: str, text: str, value: dict[str, str]) -> InfoMetricFamily:
    return InfoMetricFamily(PREFIX + name, text, value)
