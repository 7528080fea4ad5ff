"""The rate limiter for ``overload = "drop"``, with exactly jupyter_server's rules and notices.

For ``"hold"`` the outbox limits the rate itself. Must not write kernel messages. Cost: one pass of the rate window a batch.
"""

import time
from typing import TYPE_CHECKING, Any

from .. import _core
from ..messages import notices
from ..record.counters import TOTALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from jupyter_client.session import Session

    from .limits import Limits


class DropLimiter:
    """The rate window of one connection. Callers pass the current limits each time."""

    def __init__(self, session: "Session", log: "Logger", show: "Callable[[str, Any], None]") -> None:
        """``show(text, parent_header)`` sends a notice to the client."""
        self._session = session
        self._log = log
        self._show = show
        self._rates = _core.RateWindow()

    def admit(self, batch: _core.Batch, limits: "Limits", append: "Callable[[_core.Batch, int, int], None]") -> None:
        """Calls ``append(batch, start, stop)`` for each run of messages within the limits, and sends notices in between."""
        TOTALS.dropped += len(batch)
        for start, stop, events in self._rates.admit(batch, time.time(), *limits.rates):
            TOTALS.dropped -= stop - start
            append(batch, start, stop)
            if events:
                packed = batch.parts(min(stop, len(batch) - 1))[1]
                self.tell(events, notices.readable(self._session, packed), limits)

    def check(self, msg_type: str, idle: bool, size: int, limits: "Limits") -> "tuple[bool, list[_core.RateEvent]]":
        """Counts one message. Returns whether to forward it, and the events to pass to ``tell``."""
        forward, events = self._rates.check(time.time(), msg_type, idle, size, *limits.rates)
        TOTALS.dropped += not forward
        return forward, events

    def tell(self, events: "list[_core.RateEvent]", parent_header: Any, limits: "Limits") -> None:
        """Sends a notice for each exceeded limit, and logs when messages resume."""
        window = limits.rate_limit_window
        for event in events:
            if event == "resumed":
                self._log.warning("iopub messages resumed")
            elif event == "msg_rate_exceeded":
                self._show(notices.message_rate_exceeded(limits.iopub_msg_rate_limit, window), parent_header)
            else:
                self._show(notices.data_rate_exceeded(limits.iopub_data_rate_limit, window), parent_header)
