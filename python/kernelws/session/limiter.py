"""What happens over the rate limits: ``hold``, where the outbox paces, or ``drop``, upstream's limiter and texts exactly.

Must not write messages of the kernel. Cost: nothing for ``hold``; one pass of the rate window a batch for ``drop``.
"""

from typing import TYPE_CHECKING, Any

from tornado.ioloop import IOLoop

from .. import _core
from ..messages import notices

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


class DropLimiter:
    """The rate limits of one connection."""

    def __init__(self, connection: "ZMQChannelsWebsocketConnection") -> None:
        self._connection = connection
        self._rates = _core.RateWindow()

    @property
    def drops(self) -> bool:
        return self._connection.limit_rate and self._connection.overload == "drop"

    @property
    def limits(self) -> tuple[float, float, float]:
        """Messages a second, bytes a second, and the window in seconds, as they are configured now."""
        connection = self._connection
        return connection.iopub_msg_rate_limit, connection.iopub_data_rate_limit, connection.rate_limit_window

    def admit(self, batch: _core.Batch) -> "list[tuple[int, int, list[_core.RateEvent]]]":
        """The runs of a batch that may pass, and what happened between them."""
        return self._rates.admit(batch, IOLoop.current().time(), *self.limits)

    def check(self, msg_type: str, idle: bool, size: int) -> "tuple[bool, list[_core.RateEvent]]":
        """Counts one message; True says forward it."""
        return self._rates.check(IOLoop.current().time(), msg_type, idle, size, *self.limits)

    def tell(self, events: "list[_core.RateEvent]", batch: _core.Batch, at: int) -> None:
        """Tells what was decided at a message of a batch."""
        if events:
            packed = batch.parts(min(at, len(batch) - 1))[1]
            self.tell_parent(events, notices.readable(self._connection.session, packed))

    def tell_parent(self, events: "list[_core.RateEvent]", parent_header: Any) -> None:
        """A notice to the client, or a line in the log."""
        connection = self._connection
        window = connection.rate_limit_window
        for event in events:
            if event == "resumed":
                connection.log.warning("iopub messages resumed")
                continue
            if event == "msg_rate_exceeded":
                text = notices.message_rate_exceeded(connection.iopub_msg_rate_limit, window)
            else:
                text = notices.data_rate_exceeded(connection.iopub_data_rate_limit, window)
            connection.write_stderr(text, parent_header)
