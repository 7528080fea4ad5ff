"""The loop that runs groups of measurements side by side.

What it does: for every repeat, one class after the other, so that a change of the machine's mood meets both; says on
standard error how far it is. What it must not do: keep a server that a failed measurement left in an unknown state.
Cost: see `groups`.
"""

from __future__ import annotations

import contextlib
import sys
from statistics import median
from typing import TYPE_CHECKING

from .server import KERNELWS, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .groups import Group, Scale, Values

Samples = dict[str, dict[str, list[float]]]
"""Class name to row name to one value a repeat."""


class Runner:
    """Runs groups over classes and collects every sample; no server outlives a run."""

    def __init__(self, classes: Sequence[str], extra: Sequence[str], scale: Scale, server_class: type[Server] = Server) -> None:
        self.classes = classes
        self.extra = tuple(extra)
        self.scale = scale
        self.samples: Samples = {name: {} for name in classes}
        self.failed: list[str] = []
        self._server_class = server_class
        self._done = self._steps = 0

    def server(self, name: str) -> Server:
        """A server of this class, not yet started."""
        return self._server_class(name, self.extra if name == KERNELWS else ())

    def run(self, chosen: Sequence[Group], repeats: int) -> None:
        """All repeats of each group, each group with servers of its own.

        A group that fails is left, with its servers, and named in `failed`: the others still count.
        """
        self._done, self._steps = 0, len(chosen) * repeats * len(self.classes)
        for number, group in enumerate(chosen):
            self._done = number * repeats * len(self.classes)
            try:
                with contextlib.ExitStack() as stack:
                    kept = {} if group.fresh else self._open(stack)
                    self._repeat(group, repeats, kept)
            except (OSError, RuntimeError) as error:
                self._failed(group.name, error)

    def run_once(self, chosen: Sequence[Group]) -> None:
        """Every group once over one pair of servers: a smoke test, whose memory rows mean little.

        It ends with the first group that fails: its servers are in an unknown state.
        """
        smoke = [group for group in chosen if group.smoke]
        self._done, self._steps = 0, len(smoke) * len(self.classes)
        name = "the start"
        try:
            with contextlib.ExitStack() as stack:
                kept = self._open(stack)
                for group in smoke:
                    name = group.name
                    self._repeat(group, 1, kept)
        except (OSError, RuntimeError) as error:
            self._failed(name, error)

    def _failed(self, name: str, error: Exception) -> None:
        note(f"{name} failed: {str(error) or repr(error)}")
        self.failed.append(name)

    def _open(self, stack: contextlib.ExitStack) -> dict[str, Server]:
        return {name: stack.enter_context(self.server(name)) for name in self.classes}

    def _repeat(self, group: Group, repeats: int, kept: dict[str, Server]) -> None:
        for repeat in range(repeats):
            for name in self.classes:
                self._done += 1
                note(f"[{self._done}/{self._steps}] {group.name}, {name}, {repeat + 1} of {repeats}")
                for row, value in self._measure(group, name, kept.get(name)).items():
                    self.samples[name].setdefault(row, []).append(value)

    def _measure(self, group: Group, name: str, server: Server | None) -> Values:
        if server is not None:
            return _reported(group, server, self.scale)
        with self.server(name) as fresh:
            return _reported(group, fresh, self.scale)

    def medians(self) -> dict[str, dict[str, float]]:
        """Class name to row name to the median of its samples."""
        return {name: {row: median(values) for row, values in rows.items()} for name, rows in self.samples.items()}


def _reported(group: Group, server: Server, scale: Scale) -> Values:
    """Measure; when that fails, show the end of the server's log before it is deleted."""
    try:
        return group.run(server, scale)
    except Exception:
        note(f"--- the {server.name} server's log ends with\n{server.log_text()[-4000:]}")
        raise


def note(text: str) -> None:
    """Progress goes to standard error; results alone to standard output."""
    print(text, file=sys.stderr, flush=True)
