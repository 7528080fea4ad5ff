"""Reads one ZMQ socket on the event loop: how much of it a turn handles, and the turn itself.

A budget shares the loop, it is no brake: a socket that used it up is drained again on the next turn. It is counted in
messages and bytes for the receive loop and steered by the time that a turn took. A source is behind while turn after turn ends
with messages left in its socket; one large message that uses the budget up and leaves nothing is none of that. A source that
stays behind longer than ``lag_limit`` gets twice the time, up to a cap, because what must give way gives way later, never in
libzmq's queue.
Must not know kernels or clients. ``Budget`` reads no clock: ``Reader`` passes the times. Cost: a few comparisons a turn.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import zmq

from .. import _core
from ..record.counters import TOTALS
from .poller import SocketPoller
from .process import let_io_threads_run
from .transport import choose

TURN = 0.001
"""Seconds that one turn of one source may take while it keeps up: a reply passes a handful of turns in 10 ms."""
TURN_CAP = 0.016
"""Seconds that a turn may take at most, when a source stays behind."""
REST = 0.001
"""Seconds that a source rests which has a message or two for every turn: the event loop's shortest wait."""
BUSY_TURNS = 8
"""Turns in a row, each less than ``REST`` after the one before, that make a source busy: a cell's few messages do not."""
MIN_MESSAGES = 8
MAX_MESSAGES = 2048
MAX_BYTES = 1 << 20
"""Bytes received in a turn, and at least one message: four turns of 1 MiB are as good as one of 4 MiB, and kinder."""


@dataclass(slots=True)
class Budget:
    """The allowance of one source and what it learnt from the turns before."""

    lag_limit: float
    messages: int = 256
    turn: float = TURN
    behind_since: float | None = None
    ended: float = float("-inf")
    busy_turns: int = 0
    lagged: int = 0
    """How often the allowance was doubled because the source stayed behind."""

    @property
    def has_just_lagged(self) -> bool:
        """Whether the source was given more time once since it was last drained: when that happens is worth a log line."""
        return TURN < self.turn <= 2 * TURN

    def settle(self, started: float, ended: float, exhausted: bool) -> bool:
        """Learns from a turn that ran from ``started`` to ``ended`` (seconds); ``exhausted``: messages are left.

        Returns True when the source has just been given more time because it is behind longer than ``lag_limit``.
        """
        took = ended - started
        if took > self.turn:
            self.messages = max(MIN_MESSAGES, self.messages // 2)
        elif exhausted and took < self.turn / 3:
            self.messages = min(MAX_MESSAGES, self.messages * 2)
        if not exhausted:
            self.behind_since = None
            self.turn = TURN
            return False
        if self.behind_since is None:
            self.behind_since = started
        return self._grant_more_time(ended)

    def rest(self, started: float, ended: float, exhausted: bool) -> float:
        """Seconds to rest after a turn, 0 for none. A network card moderates its interrupts for the same reason: each turn
        costs as much as twenty messages, and a source of 10,000 a second would have one for each."""
        follows = 0 <= started - self.ended < 2 * REST
        self.busy_turns = self.busy_turns + 1 if follows else 0
        self.ended = ended
        return REST if self.busy_turns >= BUSY_TURNS and not exhausted else 0.0

    def _grant_more_time(self, now: float) -> bool:
        if self.behind_since is None or now - self.behind_since <= self.lag_limit or self.turn >= TURN_CAP:
            return False
        self.turn = min(TURN_CAP, self.turn * 2)
        self.behind_since = now
        self.lagged += 1
        return True


class Reader:
    """One socket with its place in the event loop and its budget.

    ``turn()`` is called where messages wait and calls ``read``, or reads by itself and calls ``settle``; both return whether
    messages are left. ``bulk`` is a source of much output: it rests between small turns, and lets libzmq's threads run.
    """

    __slots__ = ("_bulk", "budget", "has_just_lagged", "poller", "transport", "unsent")

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        turn: Callable[[], bool],
        *,
        lag_limit: float,
        log: logging.Logger,
        bulk: bool = False,
        writable: Callable[[], None] = lambda: None,
        wants_to_send: Callable[[], bool] = lambda: False,
    ) -> None:
        self.poller = SocketPoller(socket, turn, writable=writable, wants_to_send=wants_to_send, log=log)
        self.transport = choose()
        self.budget = Budget(lag_limit)
        self.unsent: list[Sequence[Any]] = []
        """Messages that libzmq has not taken yet."""
        self.has_just_lagged = False
        """Whether the last turn has given this source more time, for the first time since it was last drained."""
        self._bulk = bulk

    def read(self, receiver: _core.Receiver, channel: str, take: Callable[[_core.Batch], None]) -> bool:
        """One turn: drains a batch and hands it to ``take``."""
        poller = self.poller
        started = poller.loop.time()
        batch, more = self.transport.drain(receiver, channel, poller.socket, self.budget.messages, MAX_BYTES)
        take(batch)
        return self.settle(started, more)

    def settle(self, started: float, more: bool) -> bool:
        """Ends a turn that began at ``started`` (the loop's seconds)."""
        poller, budget = self.poller, self.budget
        more = more and poller.readable()
        if more and self._bulk:
            let_io_threads_run()
        ended = poller.loop.time()
        if self._bulk and (rest := budget.rest(started, ended, more)):
            poller.rest(rest)
        lagged = budget.settle(started, ended, more)
        TOTALS.intake_lags += lagged
        self.has_just_lagged = lagged and budget.has_just_lagged
        return more
