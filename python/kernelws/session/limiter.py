"""``overload = "drop"``: upstream's rate limiter and its texts exactly. For ``"hold"`` the outbox paces by itself.

Must not write messages of the kernel. Cost: one pass of the rate window a batch.
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
    """The rate window of one connection. Callers pass its limits as they are now."""

    def __init__(self, session: "Session", log: "Logger", show: "Callable[[str, Any], None]") -> None:
        """``show(text, parent_header)`` shows a notice to the client."""
        self._session = session
        self._log = log
        self._show = show
        self._rates = _core.RateWindow()

    def admit(self, batch: _core.Batch, limits: "Limits", append: "Callable[[_core.Batch, int, int], None]") -> None:
        """Appends the runs of a batch that may pass, and says what was decided between them."""
        TOTALS.dropped += len(batch)
        for start, stop, events in self._rates.admit(batch, time.time(), *limits.rates):
            TOTALS.dropped -= stop - start
            append(batch, start, stop)
            if events:
                packed = batch.parts(min(stop, len(batch) - 1))[1]
                self.tell(events, notices.readable(self._session, packed), limits)

    def check(self, msg_type: str, idle: bool, size: int, limits: "Limits") -> "tuple[bool, list[_core.RateEvent]]":
        """Counts one message; True says forward it."""
        forward, events = self._rates.check(time.time(), msg_type, idle, size, *limits.rates)
        TOTALS.dropped += not forward
        return forward, events

    def tell(self, events: "list[_core.RateEvent]", parent_header: Any, limits: "Limits") -> None:
        """A notice to the client, or a line in the log."""
        window = limits.rate_limit_window
        for event in events:
            if event == "resumed":
                self._log.warning("iopub messages resumed")
            elif event == "msg_rate_exceeded":
                self._show(notices.message_rate_exceeded(limits.iopub_msg_rate_limit, window), parent_header)
            else:
                self._show(notices.data_rate_exceeded(limits.iopub_data_rate_limit, window), parent_header)
