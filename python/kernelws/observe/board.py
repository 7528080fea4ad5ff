"""What the status page shows: all kernels and sessions of one server, kept up to date only while somebody looks.

Without a viewer one timer a second measures how late the event loop is, and each ``EVERY`` seconds a point is added to the
plots. A viewer's request brings the rows up to date, at most once a second however many look, and gets all of them; the
plots' points only if it asks for them. Must not change kernels or sessions, or keep anything of a viewer.
Cost: 1 us a session and second; a request 13 us a session, 30 us with the plots' points.
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
"""Seconds between two looks at the event loop's lag."""
FRESH = 0.9
"""Seconds for which an update serves all viewers: a little less than the second after which each asks again."""


class Board:
    """See the head of the file. ``manager`` is the multi kernel manager of the server, of whatever class."""

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
        """Seconds by which the event loop was late when it was last looked at."""
        self._worst = 0.0
        self.lags: deque[float] = deque(maxlen=POINTS)
        """The worst of each ``EVERY`` seconds."""

    # without a viewer

    def start(self) -> None:
        """Begins, on the event loop that runs."""
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
        kernels = self._meet(now)
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
            with contextlib.suppress(KeyError):  # a manager may list what it is about to forget
                found[kernel_id] = self._manager.get_kernel(kernel_id)
        return found

    def _meet(self, now: float) -> dict[str, Any]:
        """Begins to follow who is new, and forgets who is gone; returns the kernels."""
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
        """Everything that the page shows; with ``histories`` also the points of all plots, oldest first.

        ``samples`` is how many points each plot has been given so far; the last of them is a row's ``sample``.
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
        """Brings all rows up to date, unless that has just been done."""
        now = clock()
        if now - self._updated_at < FRESH:
            return
        kernels = self._meet(now)
        self._updated_at, self._samples_in_rows = now, self._samples
        self._total.look(TOTALS.from_kernels["iopub"].messages, now)
        for kernel_id, kernel in kernels.items():
            self._kernels[kernel_id].look(kernel_id, kernel, known_kernel(kernel), now)
        self._states = dict.fromkeys(STATES, 0)
        for session, view in self._sessions.items():
            self._states[view.look(session, now)] += 1

    def _histories(self) -> dict[str, Any]:
        return {
            "server": list(self._total.points),
            "lag": list(self.lags),
            "kernels": {name: list(view.messages.points) for name, view in self._kernels.items()},
            "sessions": {view.id: list(view.messages.points) for view in self._sessions.values()},
        }

    def _server(self) -> dict[str, Any]:
        overflows = [session.spill for session in self._sessions]
        limits = [session.limits for session in self._sessions]
        bounds = max(((limit.outbox_memory_limit, limit.outbox_disk_limit) for limit in limits), default=(0, 0))
        return {
            "states": self._states,
            "rate": self._total.rate,
            "sample": self._total.last,
            "memory": sum(overflow.memory_bytes() for overflow in overflows),
            "disk": sum(overflow.disk_bytes for overflow in overflows),
            "bounds": bounds,
            "lag": round(self.lag, 4),
            "worst": self.lags[-1] if self.lags else round(self.lag, 4),
            "lost": TOTALS.suspected_losses,
        }
