"""The pings of one WebSocket: numbered ones for acknowledgements, and the handler's own ones for keep-alive.

A numbered ping carries a sequence number. WebSocket frames arrive in order and every browser answers pings, so its pong
proves that the client received everything written before it. The first ping is sent before any message: a client that
answers it is known to answer pings, even on a slow line. The time without a pong is counted from the moment when the first ping
has left this process: a client cannot answer a ping that is queued behind other bytes.

The handler's keep-alive ping continues with the period of ``ServerApp.websocket_ping_interval`` and the timeout of
``websocket_ping_timeout`` (seconds), which jupyter_server reads and then ignores. Must not change application settings,
which terminals share: everything is set on this handler instance.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from .. import _core
from ..record.counters import TOTALS

PREFIX = b"kernelws"
"""The first bytes of a numbered ping; the sequence number follows in eight bytes, big-endian."""


class Heartbeat:
    """Sends the pings of one WebSocket and calls ``acknowledge(sequence)`` for each pong to a numbered ping."""

    def __init__(self, handler: Any, acknowledge: Callable[[int], None]) -> None:
        self._handler = handler
        self._acknowledge = acknowledge
        self._asked: dict[int, float] = {}
        self.answered = False
        """Whether this client has ever answered a numbered ping."""
        self.first_flushed_at: float | None = None
        """When the first ping had left this process, in the event loop's seconds; None before that."""
        self.given_up = False
        """Whether the server has stopped waiting for pongs of this client."""
        self.round_trip: float | None = None
        """Seconds between the last answered ping and its pong."""
        self._handlers_on_pong = handler.on_pong
        handler.on_pong = self._on_pong
        self._keep_alive_as_configured()

    def end(self) -> None:
        """Removes this object from the handler, which tornado's timers may keep alive after the connection has ended."""
        self._handler.on_pong = self._handlers_on_pong
        callback = getattr(self._handler, "ping_callback", None)
        if callback is not None:
            callback.stop()

    def ping(self, sequence: int) -> None:
        """Sends a numbered ping after everything that was written so far."""
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):  # the client is gone; on_close follows
            self._handler.ping(_payload(sequence))
            self._asked[sequence] = IOLoop.current().time()

    def frame(self, sequence: int) -> bytes:
        """Returns a numbered ping as a frame, for the caller to write after other frames."""
        self._asked[sequence] = IOLoop.current().time()
        return _core.ping_frame(_payload(sequence))

    def flushed(self, now: float) -> None:
        """Call this when everything that was written, pings included, has left this process."""
        if self.first_flushed_at is None and self._asked:
            self.first_flushed_at = now

    def silent_for(self, now: float) -> float:
        """Seconds since the first ping left this process; 0 before that, and once the client has answered a ping."""
        return 0.0 if self.answered or self.first_flushed_at is None else now - self.first_flushed_at

    def give_up(self) -> None:
        """Stops waiting for pongs: this client answers none."""
        TOTALS.silent_clients += not self.given_up
        self.given_up = True

    def _on_pong(self, data: bytes) -> None:
        """Ignores unknown numbers: a client may send pongs without a ping, with any content (RFC 6455, 5.5.3)."""
        self._handlers_on_pong(data)
        if len(data) != len(PREFIX) + 8 or not data.startswith(PREFIX):
            return
        sequence = int.from_bytes(data[len(PREFIX) :], "big")
        asked = self._asked.get(sequence)
        if asked is None:
            return
        self.answered = True
        self.round_trip = IOLoop.current().time() - asked
        TOTALS.round_trip.observe(self.round_trip)
        self._asked = {later: when for later, when in self._asked.items() if later > sequence}
        self._acknowledge(sequence)

    def _keep_alive_as_configured(self) -> None:
        settings = self._handler.settings
        interval = settings.get("websocket_ping_interval")
        callback = getattr(self._handler, "ping_callback", None)
        if not interval or "ws_ping_interval" in settings or callback is None:
            return
        callback.stop()
        timeout = settings.get("websocket_ping_timeout") or max(3 * interval, 30)
        self._handler.ping_callback = PeriodicCallback(lambda: self._keep_alive(interval, timeout), 1000 * interval)
        self._handler.ping_callback.start()

    def _keep_alive(self, interval: float, timeout: float) -> None:
        """Like the handler's ``send_ping``, but in seconds. Skips the timeout if the last ping is old: the machine slept."""
        handler = self._handler
        if handler.ws_connection is None:
            handler.ping_callback.stop()
            return
        now = IOLoop.current().time()
        if now - handler.last_ping < 2 * interval and now - handler.last_pong > timeout:
            handler.log.warning("WebSocket ping timeout after %i ms.", 1000 * (now - handler.last_pong))
            handler.close()
            return
        try:
            handler.ping(b"")
        except (WebSocketClosedError, StreamClosedError):
            handler.ping_callback.stop()
            return
        handler.last_ping = now


def _payload(sequence: int) -> bytes:
    return PREFIX + sequence.to_bytes(8, "big")
