"""The rows of the results: their names, titles and units.

Must not measure, or hold targets: those are in `tools.bench.targets`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row of the table. `name` identifies it, `title` is for people. More is better for rates and shares."""

    name: str
    title: str
    unit: str
    more_is_better: bool = False


def flood_rows(protocol: str) -> tuple[Row, ...]:
    """100-byte messages, 1 and 4 clients."""
    rows: list[Row] = []
    for clients in (1, 4):
        name, title = f"{protocol}-{clients}", f"{protocol}, {clients} client(s), 100 bytes"
        rows.append(Row(f"{name}-cpu", f"{title}: server CPU a message", "us"))
        rows.append(Row(f"{name}-rate", f"{title}: messages", "/s", more_is_better=True))
        rows.append(Row(f"{name}-share", f"{title}: share delivered in order", "", more_is_better=True))
    return (*rows, Row(f"{protocol}-further-cpu", f"{protocol}: each further client, server CPU a message", "us"))


def large_rows(protocol: str, clients: int, kind: str = "large", reading: str = "") -> tuple[Row, ...]:
    """4 MB buffers. `reading`: how fast the clients read, if not as fast as they can."""
    name, title = f"{kind}-{protocol}-{clients}", f"{protocol}, {clients} client(s), 4 MB buffers{reading}"
    return (
        Row(f"{name}-cpu", f"{title}: server CPU a message", "ms"),
        Row(f"{name}-rate", f"{title}: throughput", "MB/s", more_is_better=True),
        Row(f"{name}-share", f"{title}: share delivered in order", "", more_is_better=True),
        Row(f"{name}-rss-before", f"{title}: RSS before", "MB"),
        Row(f"{name}-rss-after", f"{title}: RSS after", "MB"),
        Row(f"{name}-rss-peak", f"{title}: RSS peak", "MB"),
    )


ROUND_TRIP = (
    Row("rtt-p50", "round trip, idle server: p50", "ms"),
    Row("rtt-p99", "round trip, idle server: p99", "ms"),
    Row("rtt-bare-p50", "the same over bare ZMQ: p50", "ms"),
    Row("rtt-added-p50", "what the server adds: p50", "ms"),
)
"""A kernel_info request on an idle server, and directly over ZMQ."""
ROUND_TRIP_FLOOD = (
    Row("rtt-flood-p50", "round trip while another kernel floods: p50", "ms"),
    Row("rtt-flood-p99", "round trip while another kernel floods: p99", "ms"),
    Row("rtt-flood-bare-p50", "the same over bare ZMQ: p50", "ms"),
    Row("rtt-flood-bare-p99", "the same over bare ZMQ: p99", "ms"),
)
"""The same while another kernel of the server floods."""
FURTHER_CLIENTS = (
    Row("second-p50", "second client, connect to first reply: p50", "ms"),
    Row("further-fds", "file descriptors per further client", ""),
    Row("further-rss", "RSS per further client", "KB"),
)
"""The cost of one more client of a kernel."""
