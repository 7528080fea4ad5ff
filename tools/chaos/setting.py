"""What a row is, how much it sends, and where its server comes from.

What it must not do: know any row. Strategy: a full run gives every row a fresh server, because memory that was once taken
stays taken; a quick one shares servers among rows with the same options.
Cost: two seconds a server.
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
    """How much to send; `quick` is enough to see that nothing is missing."""

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
class Setting:
    """The class that a row runs against, and all that it may draw on."""

    name: str
    seed: int
    scale: Scale
    stack: contextlib.ExitStack
    shared: dict[tuple[str, ...], ChaosServer] = field(default_factory=dict)

    def random(self, row: str) -> Random:
        """A row's own random numbers: the same whatever other rows are run."""
        return Random(f"{self.seed} {row}")  # noqa: S311 - reproducible on purpose

    @contextlib.contextmanager
    def server(self, common: tuple[str, ...] = (), ours: tuple[str, ...] = ()) -> Iterator[ChaosServer]:
        """A server with these options, and with `ours` where the class is kernelws."""
        if not self.scale.quick:
            with self.alone(common, ours) as server:
                yield server
            return
        key = (*common, "", *ours)
        if key not in self.shared:
            self.shared[key] = self.stack.enter_context(self.alone(common, ours))
        yield self.shared[key]

    def alone(self, common: tuple[str, ...] = (), ours: tuple[str, ...] = ()) -> ChaosServer:
        """A server that no other row gets, not yet waited for."""
        return ChaosServer(self.name, (*common, *(ours if self.name == KERNELWS else ())))


@dataclass(frozen=True)
class Row:
    """One line of the table. `classes` are those that can do it at all."""

    name: str
    title: str
    run: Callable[[Setting, Outcome], None]
    classes: tuple[str, ...] = (STOCK, KERNELWS)
