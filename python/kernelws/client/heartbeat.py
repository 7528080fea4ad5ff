"""Pings and pongs of one WebSocket: acknowledgements, and the keep-alive period that the server's settings name.

A ping of the bridge carries a sequence number. WebSocket frames are ordered and every browser answers pings by itself, so
its pong proves that everything written before it was received by the other end of this WebSocket. The first one leaves
before anything else: whoever answers it is known to answer, however slow the line is. How long a client has been silent is
counted from when a ping has left this process, not from when it was queued behind other bytes. The handler's own
keep-alive ping, its time-out and ``on_pong`` go on; their period comes from ``ServerApp.websocket_ping_interval`` and
``websocket_ping_timeout`` (seconds), which upstream reads and then ignores. All is set on this handler instance and its
``ws_connection``: application settings are shared with terminals and others.
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
"""What a ping of the bridge begins with; eight bytes of sequence number follow, big-endian."""


class Heartbeat:
    """The pings of one WebSocket. ``acknowledge(sequence)`` is called with the number of each pong."""

    def __init__(self, handler: Any, acknowledge: Callable[[int], None]) -> None:
        self._handler = handler
        self._acknowledge = acknowledge
        self._asked: dict[int, float] = {}
        self.answered = False
        """Whether this client has ever answered a ping of the bridge."""
        self.first_flushed_at: float | None = None
        """When the first ping had left this process, in the event loop's seconds."""
        self.given_up = False
        """Whether nobody waits for its pongs any more."""
        self.round_trip: float | None = None
        """Seconds between the last answered ping and its pong."""
        self._handlers_on_pong = handler.on_pong
        handler.on_pong = self._on_pong
        self._keep_alive_as_configured()

    def end(self) -> None:
        """The connection has ended: the handler, which tornado's timers may keep for a while, keeps nothing of it."""
        self._handler.on_pong = self._handlers_on_pong
        callback = getattr(self._handler, "ping_callback", None)
        if callback is not None:
            callback.stop()

    def ping(self, sequence: int) -> None:
        """Asks for the acknowledgement of everything that was written so far."""
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):  # the client is gone; on_close follows
            self._handler.ping(_payload(sequence))
            self._asked[sequence] = IOLoop.current().time()

    def frame(self, sequence: int) -> bytes:
        """The same ping as a frame, to be written together with what it follows."""
        self._asked[sequence] = IOLoop.current().time()
        return _core.ping_frame(_payload(sequence))

    def flushed(self, now: float) -> None:
        """All that was written has left this process, pings too."""
        if self.first_flushed_at is None and self._asked:
            self.first_flushed_at = now

    def silent_for(self, now: float) -> float:
        """Seconds since the first ping has left, if none was ever answered; else 0."""
        return 0.0 if self.answered or self.first_flushed_at is None else now - self.first_flushed_at

    def give_up(self) -> None:
        """This client never answers."""
        TOTALS.silent_clients += not self.given_up
        self.given_up = True

    def _on_pong(self, data: bytes) -> None:
        """Any bytes can come here, and a pong that nobody asked for is legal: unknown numbers are ignored."""
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
        """The handler's ``send_ping``, in seconds. A machine that was suspended has not pinged recently: no time-out then."""
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
