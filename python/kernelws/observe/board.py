"""The data of the status page: rows for all kernels and sessions of one server, and the points of their plots.

A timer measures each second how late the event loop is. Every ``EVERY`` seconds it adds a point to all plots, and lets each
kernel look for lost messages. Rows are updated only when a page requests them, at most once a second for all pages together. A
request gets all rows, and the points of the plots if it asks for them. Must not change anything else of a kernel or session,
or keep anything about a viewer.
Cost: 1 us a session and second; a request costs 13 us a session, or 30 us with the points of the plots.
"""

import asyncio
import contextlib
import math
from collections import deque
from typing import TYPE_CHECKING, Any

from .. import _core
from ..kernel.kernel import known_kernel
from ..record.counters import TOTALS
from ..session.registry import known_registry
from ..sockets.transport import choose
from .state import STATES, clock
from .views import EVERY, KERNEL_COLUMNS, POINTS, SESSION_COLUMNS, KernelView, Meter, SessionView

if TYPE_CHECKING:
    from ..session.session import ClientSession

TICK = 1.0
"""Seconds between two measurements of the event loop's lag."""
FRESH = 0.9
"""Seconds for which rows are not updated again: a little less than the second after which a page asks again."""


class Board:
    """The rows and plots of one server. ``manager`` is its multi kernel manager, of any class."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._kernels: dict[str, KernelView] = {}
        self._sessions: dict[ClientSession, SessionView] = {}
        self._numbers = 0
        self._samples = self._samples_in_rows = 0
        self._updated_at = -math.inf
        self._sampled_at = clock()
        self._states: dict[str, int] = {}
        self._total = Meter(0, clock())
        self._timer: asyncio.TimerHandle | None = None
        self.lag = 0.0
        """Seconds by which the event loop was late at the last tick."""
        self._worst = 0.0
        self.lags: deque[float] = deque(maxlen=POINTS)
        """The largest lag of each period of ``EVERY`` seconds."""

    # without a viewer

    def start(self) -> None:
        """Starts the timer on the running event loop."""
        loop = asyncio.get_running_loop()
        self._wait(loop, loop.time() + TICK)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self._timer = loop.call_at(until, self._tick, loop, until)

    def _tick(self, loop: asyncio.AbstractEventLoop, expected: float) -> None:
        now = loop.time()
        self._wait(loop, now + TICK)
        self.lag = max(0.0, now - expected)
        self._worst = max(self._worst, self.lag)
        TOTALS.loop_lag.observe(self.lag)
        if now - self._sampled_at >= EVERY - TICK / 2:
            self.sample()

    def sample(self) -> None:
        """Adds a point to every plot."""
        now = self._sampled_at = clock()
        kernels = self._sync_views(now)
        self._samples += 1
        self.lags.append(round(self._worst, 4))
        self._worst = 0.0
        self._total.sample(TOTALS.from_kernels["iopub"].messages, now)
        for kernel_id, kernel in kernels.items():
            self._kernels[kernel_id].sample(known_kernel(kernel), now)
        for session, view in self._sessions.items():
            view.sample(session, now)

    def _known_kernels(self) -> dict[str, Any]:
        found = {}
        for kernel_id in self._manager.list_kernel_ids():
            with contextlib.suppress(KeyError):  # a manager may list a kernel that it is removing
                found[kernel_id] = self._manager.get_kernel(kernel_id)
        return found

    def _sync_views(self, now: float) -> dict[str, Any]:
        """Adds views of new kernels and sessions, and removes those of ended ones; returns the kernels by id."""
        kernels = self._known_kernels()
        for kernel_id, kernel in kernels.items():
            if kernel_id not in self._kernels:
                self._kernels[kernel_id] = KernelView(known_kernel(kernel), now)
        for kernel_id in [known for known in self._kernels if known not in kernels]:
            del self._kernels[kernel_id]
        registry = known_registry(self._manager)
        for session in registry.sessions if registry is not None else ():
            if session not in self._sessions:
                self._numbers += 1
                self._sessions[session] = SessionView(self._numbers, session, now)
        for session in [known for known in self._sessions if known.closed]:
            del self._sessions[session]
        return kernels

    # for a viewer

    def answer(self, *, histories: bool = False) -> dict[str, Any]:
        """The JSON for the page; with ``histories`` also the points of all plots, oldest first.

        ``samples`` counts the points that were added to every plot so far. A row's ``sample`` is its newest point.
        """
        self.update()
        answer: dict[str, Any] = {
            "now": round(clock(), 1),
            "samples": self._samples_in_rows,
            "every": EVERY,
            "points": POINTS,
            "columns": {"kernels": KERNEL_COLUMNS, "sessions": SESSION_COLUMNS},
            "server": self._server(),
            "kernels": [view.row for view in self._kernels.values() if view.row],
            "sessions": [view.row for view in self._sessions.values() if view.row],
            "version": _core.__version__,
            "receive": choose().reason,
        }
        return answer | {"histories": self._histories(), "samples": self._samples} if histories else answer

    def update(self) -> None:
        """Updates all rows, unless they were updated less than ``FRESH`` seconds ago."""
        now = clock()
        if now - self._updated_at < FRESH:
            return
        kernels = self._sync_views(now)
        self._updated_at, self._samples_in_rows = now, self._samples
        self._total.update(TOTALS.from_kernels["iopub"].messages, now)
        for kernel_id, kernel in kernels.items():
            self._kernels[kernel_id].update(kernel_id, kernel, known_kernel(kernel), now)
        self._states = dict.fromkeys(STATES, 0)
        for session, view in self._sessions.items():
            self._states[view.update(session, now)] += 1

    def _histories(self) -> dict[str, Any]:
        return {
            "server": list(self._total.points),
            "lag": list(self.lags),
            "kernels": {name: list(view.messages.points) for name, view in self._kernels.items()},
            "sessions": {view.id: list(view.messages.points) for view in self._sessions.values()},
        }

    def _server(self) -> dict[str, Any]:
        registry = known_registry(self._manager)
        limits = [session.limits for session in self._sessions]
        bounds = max(((limit.outbox_memory_limit, limit.outbox_disk_limit) for limit in limits), default=(0, 0))
        return {
            "states": self._states,
            "rate": self._total.rate,
            "sample": self._total.last,
            "memory": registry.memory() if registry is not None else 0,
            "disk": sum(session.spill.disk_bytes for session in self._sessions),
            "bounds": bounds,
            "lag": round(self.lag, 4),
            "worst": self.lags[-1] if self.lags else round(self.lag, 4),
            "lost": TOTALS.suspected_losses,
        }
