"""Random schedules of faults, and the injector that carries them out.

A schedule is a list of `Fault`s, drawn from a seed before the run. The injector applies faults when they are due, and ends
temporary ones. Must not draw random numbers during a run, or know what is sent. Cost: none between faults.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from .proxy import Proxy

FIN, CLOSE, RST, SILENT, SWALLOWED = "cut (FIN)", "closed", "reset (RST)", "half-open, unread", "half-open, swallowed"
STALL, SLOW, STOP = "stall", "slow", "kernel stopped"
CUTS = (FIN, RST, SILENT, SWALLOWED)
SLOW_RATE = 200_000.0


@dataclass(frozen=True)
class Fault:
    """One fault, `at` seconds after the beginning of the flood.

    It lasts for `seconds`; for a half-open connection, the client reconnects after `seconds`.
    """

    at: float
    kind: str
    seconds: float


def cuts(random: Random, count: int, seconds: float) -> list[Fault]:
    """Cuts of the TCP connection at random moments. For half of them the server gets neither FIN nor RST."""
    return _scattered(random, [CUTS[number % len(CUTS)] for number in range(count)], seconds, 0.05)


def mixture(random: Random, count: int, seconds: float) -> list[Fault]:
    """All faults of the connection, and kernels that are stopped and continued."""
    kinds = (*CUTS, STALL, SLOW, STOP)
    return _scattered(random, [kinds[number % len(kinds)] for number in range(count)], seconds, 0.4)


def _scattered(random: Random, kinds: list[str], seconds: float, longest: float) -> list[Fault]:
    random.shuffle(kinds)
    moments = sorted(random.uniform(0.02, 0.95) * seconds for _ in kinds)
    return [Fault(at, kind, random.uniform(0, longest)) for at, kind in zip(moments, kinds, strict=True)]


class Injector:
    """Carries out one schedule. `vanish(seconds)` closes the client's socket and reconnects later; `leave()` closes its WebSocket
    and reconnects at once."""

    def __init__(
        self, faults: Sequence[Fault], proxy: Proxy, kernel: int, vanish: Callable[[float], None], leave: Callable[[], None]
    ) -> None:
        self.done: Counter[str] = Counter()
        self._proxy, self._kernel, self._vanish, self._leave = proxy, kernel, vanish, leave
        actions = [(fault.at, self._begin, fault) for fault in faults]
        actions += [(fault.at + fault.seconds, self._undo, fault) for fault in faults if fault.kind not in CUTS]
        self._actions = sorted(actions, key=lambda action: action[0])
        self._begun = time.monotonic()

    def left(self) -> float | None:
        """Seconds until the next action, None after the last."""
        return max(0.0, self._begun + self._actions[0][0] - time.monotonic()) if self._actions else None

    def act(self) -> None:
        """Runs all actions that are due."""
        while self._actions and time.monotonic() - self._begun >= self._actions[0][0]:
            _, action, fault = self._actions.pop(0)
            action(fault)

    def _begin(self, fault: Fault) -> None:
        self.done[fault.kind] += 1
        if fault.kind == FIN:
            self._proxy.cut()
        elif fault.kind == CLOSE:
            self._leave()
        elif fault.kind == RST:
            self._proxy.reset()
        elif fault.kind in {SILENT, SWALLOWED}:
            (self._proxy.silence if fault.kind == SILENT else self._proxy.swallow)()
            self._vanish(fault.seconds)
        elif fault.kind == STALL:
            self._proxy.stall(True)
        elif fault.kind == SLOW:
            self._proxy.slow(SLOW_RATE)
        else:
            os.kill(self._kernel, signal.SIGSTOP)

    def _undo(self, fault: Fault) -> None:
        if fault.kind == STALL:
            self._proxy.stall(False)
        elif fault.kind == SLOW:
            self._proxy.slow(None)
        else:
            os.kill(self._kernel, signal.SIGCONT)
