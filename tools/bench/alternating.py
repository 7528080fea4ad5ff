"""A server extension for `recorded`: during a flood it takes the journal away from all kernels, and gives it back, every few
milliseconds.

It counts the CPU time of the whole process and the messages from kernels, with the journal and without. A change in the machine's
speed usually lasts longer than a step, so it affects both alike. Must not be used outside of benchmarks: what a cell says in half
of the steps is not kept. Cost: a timer, ten times a second and a hundred times in a flood.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import tornado.web
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.ioloop import IOLoop

from kernelws.kernel.kernel import known_kernel
from kernelws.record.counters import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_server.serverapp import ServerApp

    from kernelws.kernel.kernel import Kernel
    from kernelws.kernel.listener import Recorder

PATH = "bench/journal"
STEP = 0.01
"""Seconds of a step during a flood."""
IDLE = 0.1
"""Seconds of other steps: a server with nothing to do must be quiet."""
FLOOD = 300
"""A step in which kernels send this many messages is part of a flood. It counts if the one before it is part of it too."""


class Alternation:
    """`costs`: CPU seconds and messages without the journal, and with it."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._journals: dict[str, Recorder | None] = {}
        self._on = True
        self._in_flood = False
        self._before = self._now()
        self.costs = [[0.0, 0], [0.0, 0]]

    def _now(self) -> tuple[float, int]:
        return time.process_time(), TOTALS.from_kernels["iopub"].messages

    def step(self) -> float:
        """Ends a step and begins the next one. Returns the seconds that it takes."""
        now = self._now()
        cpu, messages = (after - before for after, before in zip(now, self._before, strict=True))
        was_in_flood, self._in_flood = self._in_flood, messages >= FLOOD
        if self._in_flood and was_in_flood:
            cost = self.costs[self._on]
            cost[0] += cpu
            cost[1] += int(messages)
        # The journal keeps only messages whose request it has, so it is there outside of floods
        self._set(on=not self._on if self._in_flood else True)
        self._before = self._now()
        return STEP if self._in_flood else IDLE

    def _set(self, on: bool) -> None:
        if on == self._on:
            return
        self._on = on
        for kernel_id, kernel in self._kernels():
            if on:
                kernel.journal = self._journals.pop(kernel_id, kernel.journal)
            else:
                self._journals[kernel_id], kernel.journal = kernel.journal, None

    def _kernels(self) -> Iterator[tuple[str, Kernel]]:
        for kernel_id in self._manager.list_kernel_ids():
            if (kernel := known_kernel(self._manager.get_kernel(kernel_id))) is not None:
                yield kernel_id, kernel


class Costs(JupyterHandler):
    """Tells the costs so far, and begins anew."""

    def initialize(self, alternation: Alternation) -> None:
        """Takes what the extension passes to each request."""
        self._alternation = alternation

    @tornado.web.authenticated
    def get(self) -> None:
        """`[[seconds, messages], [seconds, messages]]`: without the journal, and with it."""
        self.finish({"costs": self._alternation.costs})
        self._alternation.costs = [[0.0, 0], [0.0, 0]]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    alternation = Alternation(app.kernel_manager)
    app.web_app.add_handlers(
        ".*$", [(url_path_join(app.web_app.settings["base_url"], PATH), Costs, {"alternation": alternation})]
    )

    def step() -> None:
        IOLoop.current().call_later(alternation.step(), step)

    app.io_loop.add_callback(step)
