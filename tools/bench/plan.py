"""All groups, in the order in which they run, and the server that they need.

Must not measure: `kernelws.cli.bench`, `bursts`, `comms`, `executions`, `lonely` and `slow_reader` do.
"""

from __future__ import annotations

import re
from pathlib import Path

from kernelws.cli.bench import groups, rows
from kernelws.cli.bench.groups import Group
from kernelws.cli.bench.server import Server

from . import bursts, comms, executions, lonely, slow_reader

ROOT = Path(__file__).resolve().parents[2]
CLIENT_COUNTS = (1, 4)

PLAN: tuple[Group, ...] = (
    *(Group(f"small-{name}", rows.flood_rows(name), groups.small(name)) for name in groups.PROTOCOLS),
    *(
        Group(
            f"large-{name}-{n}",
            rows.large_rows(name, n),
            groups.large(name, n),
            fresh=True,
            smoke=n == 1,
        )
        for name in groups.PROTOCOLS
        for n in CLIENT_COUNTS
    ),
    *slow_reader.GROUPS,
    Group("round-trip", rows.ROUND_TRIP, groups.round_trip),
    Group("round-trip-flood", rows.ROUND_TRIP_FLOOD, groups.round_trip_flood),
    Group("clients", rows.FURTHER_CLIENTS, groups.further_clients, fresh=True),
    Group("comm", comms.ROWS, comms.comms),
    *executions.GROUPS,
    *(Group(lonely.name_of(*day), lonely.rows(*day), lonely.lonely(*day)) for day in lonely.DAYS),
    *(
        Group(
            f"ipykernel{'-hwm0' if unbounded else ''}-{n}",
            bursts.rows(n, unbounded),
            bursts.burst(n, unbounded),
            smoke=unbounded and n > 1,
        )
        for unbounded in (False, True)
        for n in CLIENT_COUNTS
    ),
)


class BenchServer(Server):
    """A server that also has kernelspecs for ipykernel, as it is and with SNDHWM 0, and for a kernel that publishes at a pace."""

    def _write_kernelspecs(self) -> None:
        super()._write_kernelspecs()
        self._write_spec("paced", "tools.bench.paced_kernel", {"PYTHONPATH": str(ROOT)})
        self._write_spec("ipython", "tools.bench.real_kernel", {"PYTHONPATH": str(ROOT)})
        self._write_spec("ipython-hwm0", "tools.bench.real_kernel", {"PYTHONPATH": str(ROOT), "BENCH_SNDHWM": "0"})


def selected(pattern: str) -> list[Group]:
    """The groups whose name, or a row's name, contains a match of the pattern."""
    search = re.compile(pattern).search
    return [g for g in PLAN if search(g.name) or any(search(row.name) for row in g.rows)]
