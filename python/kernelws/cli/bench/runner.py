"""Runs groups of measurements for both classes, and prints progress to standard error.

Each repeat measures one class after the other, so that a change in the machine's speed affects both. Must not keep a server after
a failed measurement, which may have left it in an unknown state. Cost: see `groups`.
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
"""Class name to row name to the values of all repeats."""


class Runner:
    """Runs groups for all classes and collects the samples. All servers end with the run."""

    def __init__(self, classes: Sequence[str], extra: Sequence[str], scale: Scale, server_class: type[Server] = Server) -> None:
        self.classes = classes
        self.extra = tuple(extra)
        self.scale = scale
        self.samples: Samples = {name: {} for name in classes}
        self.failed: list[str] = []
        self._server_class = server_class
        self._done = self._steps = 0

    def server(self, name: str) -> Server:
        """A server for this class, not started yet."""
        return self._server_class(name, self.extra if name == KERNELWS else ())

    def run(self, chosen: Sequence[Group], repeats: int) -> None:
        """Runs all repeats of each group, each group on new servers.

        A group that fails is added to `failed` and its servers are ended; the run continues with the next group.
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
        """Runs every group once on one pair of servers, as a smoke test. Its memory figures mean little.

        Ends at the first group that fails, because it may leave the servers in an unknown state.
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
    """Runs the measurement; if it fails, prints the end of the server's log before the log is deleted."""
    try:
        return group.run(server, scale)
    except Exception:
        note(f"--- the {server.name} server's log ends with\n{server.log_text()[-4000:]}")
        raise


def note(text: str) -> None:
    """Prints progress to standard error. Only results go to standard output."""
    print(text, file=sys.stderr, flush=True)
