"""The groups and rows of `jupyter kernelws bench`, and how much they send.

Must not measure: `groups` does. Has the rows that users notice, in JupyterLab's subprotocol; `make bench` has all rows.
Cost: about two minutes, or ten seconds with QUICK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import groups, rows
from .groups import Group, Scale

if TYPE_CHECKING:
    from .rows import Row

REPEATS = 3
SCALE = Scale(1000, 4000, 60_000, 0.7, 60, 60, 80_000, 10, 4)

PLAN: tuple[Group, ...] = (
    Group("100-byte messages", rows.flood_rows("v1"), groups.small("v1")),
    Group("4 MB messages", rows.large_rows("v1", 1), groups.large("v1", 1)),
    Group("round trips", rows.ROUND_TRIP, groups.round_trip),
    Group("round trips in a flood", rows.ROUND_TRIP_FLOOD, groups.round_trip_flood),
    Group("a second client", rows.FURTHER_CLIENTS, groups.further_clients),
)
SHOWN = (
    *("v1-1-rate", "v1-1-cpu", "v1-4-rate", "v1-4-cpu", "large-v1-1-rate"),
    *("rtt-p50", "rtt-p99", "rtt-flood-p50", "rtt-flood-p99", "second-p50"),
)
DELIVERED = ("v1-1-share", "v1-4-share", "large-v1-1-share")
"""Rows that are shown only if they are below 1, because messages were lost."""


def named(names: tuple[str, ...]) -> list[Row]:
    """The rows of these names, in their order."""
    known = {row.name: row for group in PLAN for row in group.rows}
    return [known[name] for name in names]
