"""Reads one ZMQ socket on the event loop, in turns; ``Budget`` decides how much one turn handles.

The budget shares the event loop among sockets and does not slow a socket down: the next turn continues where this one ended. It
limits messages and bytes, and adapts to the time that turns take. A socket is behind while turns end with messages left in it.
When it has been behind for ``lag_limit`` seconds, it gets twice the time per turn, up to a cap. Its output then queues in the
outbox, which can choose what to leave out, and not in libzmq.
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
"""Seconds that one turn of a socket may take while the socket keeps up. A reply that waits for several turns still passes within
10 ms."""
AIM = 0.5
"""The part of a turn's time that its number of messages is meant to take. Longer turns cost less, but replies wait for them."""
TURN_CAP = 0.016
"""Seconds that one turn may take at most, for a socket that stays behind."""
REST = 0.001
"""Seconds that a busy socket pauses after a turn that emptied it: the event loop's shortest timer."""
BUSY_TURNS = 8
"""A socket is busy after this many turns in quick succession, each within twice ``REST`` of the last. A cell's few messages
do not make it busy."""
MIN_MESSAGES = 8
MAX_MESSAGES = 2048
MAX_BYTES = 1 << 20
"""Bytes that one turn receives; at least one message. Four turns of 1 MiB cost as much as one of 4 MiB, and let other sockets
in between."""


@dataclass(slots=True)
class Budget:
    """How much one socket may handle per turn, adapted to its earlier turns. Times are in seconds."""

    lag_limit: float
    messages: int = 256
    turn: float = TURN
    behind_since: float | None = None
    ended: float = float("-inf")
    busy_turns: int = 0
    lagged: int = 0
    """How often the time per turn was doubled because the socket stayed behind."""

    @property
    def has_just_lagged(self) -> bool:
        """Whether the time per turn was doubled exactly once since the socket was last empty; the first time is logged."""
        return TURN < self.turn <= 2 * TURN

    def settle(self, started: float, ended: float, exhausted: bool) -> bool:
        """Adapts to a turn that ran from ``started`` to ``ended``; ``exhausted``: it left messages in the socket.

        Returns True if it has just doubled the time per turn.
        """
        took = ended - started
        if exhausted or took > self.turn:
            # As many as would have taken ``AIM``. One turn that something else has slowed down costs only the next one
            factor = min(2.0, max(0.5, AIM * self.turn / took)) if took > 0 else 2.0
            self.messages = min(MAX_MESSAGES, max(MIN_MESSAGES, int(self.messages * factor)))
        if not exhausted:
            self.behind_since = None
            self.turn = TURN
            return False
        if self.behind_since is None:
            self.behind_since = started
        return self._grant_more_time(ended)

    def rest(self, started: float, ended: float, exhausted: bool) -> float:
        """Seconds to pause after a turn, or 0. A turn costs as much as twenty messages, and without pauses a kernel that sends
        10,000 messages a second would cause a turn for each."""
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
    """One socket with its poller and its budget.

    ``turn()`` is called when messages wait. It calls ``read``, or reads by itself and calls ``settle``; both return whether
    messages are left. ``bulk`` is for sockets with much output: they pause after small turns, and let libzmq's threads run.
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
        """Whether the last turn doubled the time per turn, for the first time since the socket was last empty."""
        self._bulk = bulk

    def read(self, receiver: _core.Receiver, channel: str, take: Callable[[_core.Batch], float | None]) -> bool:
        """One turn: receives a batch and passes it to ``take``.

        ``take`` returns the seconds that do not count as the turn's, or None. A kernel records its output in them. If they
        counted, its turns would handle fewer messages, and each turn costs as much as twenty messages.
        """
        poller = self.poller
        started = poller.loop.time()
        batch, more = self.transport.drain(receiver, channel, poller.socket, self.budget.messages, MAX_BYTES)
        beside = take(batch) or 0.0
        return self.settle(started + beside, more)

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
