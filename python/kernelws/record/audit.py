"""``AuditLog``: records events about executions with the server's event logger, which hands them to its handlers.

The schema is ``execution.v1.yaml``. Its events are for auditors: the WebSocket ``/api/events/subscribe``, which every user who
may use events can open, does not get them, and ``POST /api/events`` cannot forge them. An event that cannot be recorded is
counted, and logged once a minute. Must not raise, nor know what an event means. Cost: 200 us an event, with a handler that writes
to a file.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_events import EventLogger

from .counters import TOTALS

SCHEMA_FILE = Path(__file__).parent / "execution.v1.yaml"
SCHEMA = "https://kernelws.invalid/events/execution/v1"
PERIOD = 60.0
"""Seconds in which failures are logged at most once."""
SUBSCRIBER = "SubscribeWebsocket"
"""jupyter_server's handler of ``/api/events/subscribe``."""


class AuditLog:
    """The audit of one server."""

    def __init__(
        self, events: EventLogger, log: logging.Logger, *, source: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``source``: whether events may hold the source."""
        self.source = source
        self._events, self._log, self._clock = events, log, clock
        self._own = False
        """Whether the event that is being emitted is from here."""
        self._told: float | None = None
        if SCHEMA not in events.schemas:
            events.register_event_schema(SCHEMA_FILE)
        events.add_modifier(schema_id=SCHEMA, modifier=self._check)
        if not events.handlers:
            log.warning("audit_executions is on, but no event handler is set: nothing is recorded; see EventLogger.handlers")

    def _check(self, schema_id: str, data: dict[str, Any]) -> dict[str, Any]:
        """A modifier of the events. Refuses events that are not from here."""
        if not self._own:
            raise PermissionError(f"events of {schema_id} are emitted by the server only")
        return data

    def emit(self, event: dict[str, Any]) -> None:
        """Records an event, valid under the schema."""
        self._own = True
        try:
            self._remove_subscribers()
            self._events.emit(schema_id=SCHEMA, data=event)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises
            self._fail(error)
        finally:
            self._own = False

    def _remove_subscribers(self) -> None:
        for listener in tuple(self._events._modified_listeners.get(SCHEMA, ())):
            if type(getattr(listener, "__self__", None)).__name__ == SUBSCRIBER:
                self._events.remove_listener(schema_id=SCHEMA, listener=listener)

    def _fail(self, error: Exception) -> None:
        TOTALS.audit_failures += 1
        now = self._clock()
        if self._told is None or now - self._told >= PERIOD:
            self._told = now
            self._log.error("an audit event was not recorded: a handler of events failed (%s)", type(error).__name__)
