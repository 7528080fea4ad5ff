"""Rows, and the context in which they run: the class, the servers, the scale and the random numbers.

Must not depend on a row. In a full run every row has a new server, because a process rarely returns memory to the system. In a
quick run, rows with the same options share a server. Cost: two seconds a server.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from kernelws.cli.bench.server import KERNELWS, STOCK

from .server import ChaosServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .outcome import Outcome

CLASS = "--ZMQChannelsWebsocketConnection"
NO_LIMIT = (f"{CLASS}.limit_rate=False",)
ALL_KEPT = (f"{CLASS}.stream_backlog_limit=0",)
"""Only kernelws has this trait."""


@dataclass(frozen=True)
class Scale:
    """How much to send. `QUICK` is enough to find missing messages."""

    messages: int = 200_000
    seconds: float = 25.0
    cuts: int = 100
    faults: int = 60
    fault_seconds: float = 40.0
    printed: int = 400_000_000
    large: int = 200
    quick: bool = False


FULL = Scale()
QUICK = Scale(20_000, 4.0, 12, 14, 6.0, 24_000_000, 10, True)


@dataclass
class Context:
    """The class that rows run against, with their servers, scale and random numbers."""

    name: str
    seed: int
    scale: Scale
    stack: contextlib.ExitStack
    shared: dict[tuple[str, ...], ChaosServer] = field(default_factory=dict)

    def random(self, row: str) -> Random:
        """The random numbers of one row, independent of which other rows run."""
        return Random(f"{self.seed} {row}")  # noqa: S311 - reproducible on purpose

    @contextlib.contextmanager
    def server(self, common: tuple[str, ...] = (), ours: tuple[str, ...] = ()) -> Iterator[ChaosServer]:
        """A server with the options `common`, and for kernelws also `ours`."""
        if not self.scale.quick:
            with self.alone(common, ours) as server:
                yield server
            return
        key = (*common, "", *ours)
        if key not in self.shared:
            self.shared[key] = self.stack.enter_context(self.alone(common, ours))
        yield self.shared[key]

    def alone(self, common: tuple[str, ...] = (), ours: tuple[str, ...] = ()) -> ChaosServer:
        """A server that is not shared with other rows, not started yet."""
        return ChaosServer(self.name, (*common, *(ours if self.name == KERNELWS else ())))


@dataclass(frozen=True)
class Row:
    """One row of the table. `classes` are those that support it."""

    name: str
    title: str
    run: Callable[[Context, Outcome], None]
    classes: tuple[str, ...] = (STOCK, KERNELWS)
