"""What each row of the table is called, how it is counted, and what kernelws must reach.

What it must not do: measure; or hold a figure of the stock class: that one is measured beside ours.
Strategy: a row is data. A limit on the ratio compares the two classes of one run; a limit on the
value is used only where the issue names one, and it is printed, never asserted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ratio at most", "ratio at least", "at most", "at least", "none"]


@dataclass(frozen=True)
class Target:
    """`ratio` kinds limit kernelws / stock, the others limit kernelws alone."""

    kind: Kind = "none"
    limit: float = 0.0
    text: str = ""


@dataclass(frozen=True)
class Row:
    """One line: an identifier to select it by, what a reader sees, the unit, the target."""

    name: str
    title: str
    unit: str
    target: Target = Target()

    @property
    def more_is_better(self) -> bool:
        """Of rates and shares more, of all else less."""
        return self.unit.endswith("/s") or self.target.kind.endswith("at least")


NOTHING = Target()
NOT_SLOWER = Target("ratio at least", 1.0, "not less")
NOT_DEARER = Target("ratio at most", 1.0, "not more")
COMPLETE = Target("at least", 1.0, "all")


def part_of(divisor: int) -> Target:
    """At most one `divisor`-th of what stock needs."""
    return Target("ratio at most", 1 / divisor, f"at most 1/{divisor}")


def at_most(limit: float, unit: str) -> Target:
    """A limit on the value itself."""
    return Target("at most", limit, f"at most {limit:g} {unit}".rstrip())


SMALL_CPU = {("v1", 1): part_of(30), ("legacy", 1): part_of(30), ("v1", 4): part_of(45)}
LARGE_CPU = {("v1", 1): Target("ratio at most", 0.55, "at most 0.55")}


def flood_rows(protocol: str) -> tuple[Row, ...]:
    """100-byte messages, 1 and 4 clients."""
    rows: list[Row] = []
    for clients in (1, 4):
        name, title = f"{protocol}-{clients}", f"{protocol}, {clients} client(s), 100 bytes"
        target = SMALL_CPU.get((protocol, clients), NOT_DEARER)
        rows.append(Row(f"{name}-cpu", f"{title}: server CPU a message", "us", target))
        rows.append(Row(f"{name}-rate", f"{title}: messages", "/s", NOT_SLOWER))
        rows.append(Row(f"{name}-share", f"{title}: share delivered in order", "", COMPLETE))
    further = part_of(50) if protocol == "v1" else NOT_DEARER
    title = f"{protocol}: each further client, server CPU a message"
    return (*rows, Row(f"{protocol}-further-cpu", title, "us", further))


def large_rows(protocol: str, clients: int) -> tuple[Row, ...]:
    """4 MB buffers."""
    name, title = f"large-{protocol}-{clients}", f"{protocol}, {clients} client(s), 4 MB buffers"
    target = LARGE_CPU.get((protocol, clients), NOT_DEARER)
    return (
        Row(f"{name}-cpu", f"{title}: server CPU a message", "ms", target),
        Row(f"{name}-rate", f"{title}: throughput", "MB/s", NOT_SLOWER),
        Row(f"{name}-share", f"{title}: share delivered in order", "", COMPLETE),
        Row(f"{name}-rss-before", f"{title}: RSS before", "MB"),
        Row(f"{name}-rss-after", f"{title}: RSS after", "MB"),
        Row(f"{name}-rss-peak", f"{title}: RSS peak", "MB"),
    )


def round_trip_rows() -> tuple[Row, ...]:
    """A small request on an idle server, and over bare ZMQ."""
    return (
        Row("rtt-p50", "round trip, idle server: p50", "ms", part_of(10)),
        Row("rtt-p99", "round trip, idle server: p99", "ms", NOT_DEARER),
        Row("rtt-bare-p50", "the same over bare ZMQ: p50", "ms"),
        Row("rtt-added-p50", "what the server adds: p50", "ms", at_most(0.5, "ms")),
    )


def round_trip_flood_rows() -> tuple[Row, ...]:
    """The same while another kernel of the same server floods."""
    return (
        Row("rtt-flood-p50", "round trip while another kernel floods: p50", "ms", NOT_DEARER),
        Row("rtt-flood-p99", "round trip while another kernel floods: p99", "ms", at_most(10, "ms")),
        Row("rtt-flood-bare-p50", "the same over bare ZMQ: p50", "ms"),
        Row("rtt-flood-bare-p99", "the same over bare ZMQ: p99", "ms"),
    )


def client_rows() -> tuple[Row, ...]:
    """What one more client of a kernel takes."""
    return (
        Row("second-p50", "second client, connect to first reply: p50", "ms", at_most(8, "ms")),
        Row("further-fds", "file descriptors per further client", "", at_most(7, "")),
        Row("further-rss", "RSS per further client", "KB", at_most(120, "KB")),
    )


def comm_rows() -> tuple[Row, ...]:
    """Small messages from a client, with what they cause."""
    title = "client to kernel, comm messages: server CPU a message with its replies"
    return (Row("comm-cpu", title, "us", part_of(6)),)


def ipykernel_rows(clients: int, unbounded: bool) -> tuple[Row, ...]:
    """A burst from ipykernel's own session, against what a bare SUB received."""
    name = f"ipykernel{'-hwm0' if unbounded else ''}-{clients}"
    kernel = "ipykernel with SNDHWM 0" if unbounded else "ipykernel"
    title = f"burst of 50,000 from {kernel}, {clients} client(s)"
    bare = Row(f"{name}-bare", f"{title}: a bare SUB receives", "")
    order = Row(f"{name}-order", f"{title}: out of order", "", at_most(0, ""))
    if unbounded:
        return (Row(f"{name}-share", f"{title}: arrive", "", COMPLETE), bare, order)
    versus = Target("at least", 1.0, "all that a bare SUB receives")
    return (
        Row(f"{name}-share", f"{title}: arrive", ""),
        bare,
        Row(f"{name}-versus", f"{title}: arrive, of what the bare SUB receives", "", versus),
        order,
    )
