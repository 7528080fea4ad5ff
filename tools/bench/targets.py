"""The targets that kernelws must reach, and the table that shows whether it does.

A target limits the ratio of the two classes in one run, or, for some rows, kernelws's value itself. Must not measure, hold a
value of the stock class, or fail a run: on a noisy machine the reader has to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kernelws.cli.bench import table
from kernelws.cli.bench.server import KERNELWS, STOCK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kernelws.cli.bench.rows import Row
    from kernelws.cli.bench.table import Medians

Kind = Literal["ratio at most", "ratio at least", "at most", "at least", "none"]
HEAD, RULE = " must reach | reached |", "---|---|"


@dataclass(frozen=True)
class Target:
    """`ratio` kinds limit kernelws / stock, the others limit kernelws alone."""

    kind: Kind = "none"
    limit: float = 0.0
    text: str = ""

    def reached(self, stock: float | None, ours: float | None) -> str:
        """ "yes", "NO", or empty if the row has no target or a value is missing."""
        if self.kind == "none" or ours is None:
            return ""
        value = ours
        if self.kind.startswith("ratio"):
            if not stock:
                return ""
            value = ours / stock
        good = value >= self.limit if self.kind.endswith("at least") else value <= self.limit
        return "yes" if good else "NO"


NOT_SLOWER = Target("ratio at least", 1.0, "not less")
NOT_DEARER = Target("ratio at most", 1.0, "not more")
COMPLETE = Target("at least", 1.0, "all")


def part_of(divisor: int) -> Target:
    """At most 1/`divisor` of stock's value."""
    return Target("ratio at most", 1 / divisor, f"at most 1/{divisor}")


def at_most(limit: float, unit: str) -> Target:
    """A limit on kernelws's value itself."""
    return Target("at most", limit, f"at most {limit:g} {unit}".rstrip())


_EACH = [f"{size}{protocol}-{clients}" for size in ("", "large-") for protocol in ("v1", "legacy") for clients in (1, 4)]
_BURSTS = [f"ipykernel{kind}-{clients}" for kind in ("", "-hwm0") for clients in (1, 4)]
TARGETS = {
    **{f"{name}-cpu": NOT_DEARER for name in _EACH},
    **{f"{name}-rate": NOT_SLOWER for name in _EACH},
    **{f"{name}-share": COMPLETE for name in (*_EACH, *_BURSTS[2:])},
    **{f"{name}-versus": Target("at least", 1.0, "all that a bare SUB receives") for name in _BURSTS[:2]},
    **{f"{name}-order": at_most(0, "") for name in _BURSTS},
    "v1-1-cpu": part_of(30),
    "v1-4-cpu": part_of(45),
    "legacy-1-cpu": part_of(30),
    "v1-further-cpu": part_of(50),
    "legacy-further-cpu": NOT_DEARER,
    "large-v1-1-cpu": Target("ratio at most", 0.55, "at most 0.55"),
    "rtt-p50": part_of(10),
    "rtt-p99": NOT_DEARER,
    "rtt-added-p50": at_most(0.5, "ms"),
    "rtt-flood-p50": NOT_DEARER,
    "rtt-flood-p99": at_most(10, "ms"),
    "second-p50": at_most(8, "ms"),
    "further-fds": at_most(7, ""),
    "further-rss": at_most(120, "KB"),
    "comm-cpu": part_of(6),
    "lonely-1x10-cpu": Target("ratio at most", 0.45, "at most 0.45"),
    "lonely-20x10-cpu": part_of(3),
    "lonely-20x50-cpu": part_of(3),
}
"""Row name to target. Other rows have none."""


def render(rows: Sequence[Row], medians: Medians, targets: Mapping[str, Target] = TARGETS) -> list[str]:
    """The results table with columns for the target and whether it is reached."""
    found = {row: [medians.get(name, {}).get(row.name) for name in (STOCK, KERNELWS)] for row in rows}
    shown = [row for row in rows if found[row] != [None, None]]
    head, rule, *lines = table.render(shown, medians)
    for number, row in enumerate(shown):
        target = targets.get(row.name, Target())
        lines[number] += f" {target.text} | {target.reached(*found[row])} |"
    return [head + HEAD, rule + RULE, *lines]
