"""All groups in the order they run, and the loop that runs them side by side.

What it does: for every repeat, one class after the other, so that a change of the machine's mood
meets both. What it must not do: keep a server that a failed measurement left in an unknown state.
Cost: see `groups`.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING

from . import bursts, groups, rows
from .groups import Group, Scale, Values
from .server import KERNELWS, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

Samples = dict[str, dict[str, list[float]]]
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
    Group("round-trip", rows.round_trip_rows(), groups.round_trip),
    Group("round-trip-flood", rows.round_trip_flood_rows(), groups.round_trip_flood),
    Group("clients", rows.client_rows(), groups.further_clients, fresh=True),
    Group("comm", rows.comm_rows(), groups.comms),
    *(
        Group(
            f"ipykernel{'-hwm0' if unbounded else ''}-{n}",
            rows.ipykernel_rows(n, unbounded),
            bursts.burst(n, unbounded),
            smoke=unbounded and n > 1,
        )
        for unbounded in (False, True)
        for n in CLIENT_COUNTS
    ),
)


def selected(pattern: str) -> list[Group]:
    """The groups with a row, or a name, that the pattern matches somewhere."""
    search = re.compile(pattern).search
    return [g for g in PLAN if search(g.name) or any(search(row.name) for row in g.rows)]


class Runner:
    """Runs groups over classes and collects every sample; no server outlives a run."""

    def __init__(self, classes: Sequence[str], extra: Sequence[str], scale: Scale) -> None:
        self.classes = classes
        self.extra = tuple(extra)
        self.scale = scale
        self.samples: Samples = {name: {} for name in classes}
        self.failed: list[str] = []

    def server(self, name: str) -> Server:
        """A server of this class, not yet waited for."""
        return Server(name, self.extra if name == KERNELWS else ())

    def run(self, chosen: Sequence[Group], repeats: int) -> None:
        """All repeats of each group, each group with servers of its own.

        A group that fails is left, with its servers, and named in `failed`: the others still count.
        """
        for group in chosen:
            try:
                with contextlib.ExitStack() as stack:
                    kept = {} if group.fresh else self._open(stack)
                    self._repeat(group, repeats, kept)
            except (OSError, RuntimeError) as error:
                note(f"{group.name} failed: {error!r}")
                self.failed.append(group.name)

    def run_once(self, chosen: Sequence[Group]) -> None:
        """Every group once over one pair of servers: a smoke test, whose memory rows mean little."""
        with contextlib.ExitStack() as stack:
            kept = self._open(stack)
            for group in chosen:
                if group.smoke:
                    self._repeat(group, 1, kept)

    def _open(self, stack: contextlib.ExitStack) -> dict[str, Server]:
        return {name: stack.enter_context(self.server(name)) for name in self.classes}

    def _repeat(self, group: Group, repeats: int, kept: dict[str, Server]) -> None:
        for repeat in range(repeats):
            for name in self.classes:
                note(f"{group.name} {repeat + 1}/{repeats} {name}")
                for row, value in self._measure(group, name, kept.get(name)).items():
                    self.samples[name].setdefault(row, []).append(value)

    def _measure(self, group: Group, name: str, server: Server | None) -> Values:
        if server is not None:
            return _reported(group, server, self.scale)
        with self.server(name) as fresh:
            return _reported(group, fresh, self.scale)


def _reported(group: Group, server: Server, scale: Scale) -> Values:
    """Measure; when that fails, show the end of the server's log before it is deleted."""
    try:
        return group.run(server, scale)
    except Exception:
        note(f"--- the {server.name} server's log ends with\n{server.log_text()[-4000:]}")
        raise


def note(text: str) -> None:
    """Progress goes to standard error; the table alone to standard output."""
    print(text, file=sys.stderr, flush=True)
