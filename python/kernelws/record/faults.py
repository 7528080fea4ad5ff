"""Rate-limited log lines about bad messages: a hostile peer cannot flood the log.

A line names the fault, its channel and how often it happened. Must not log contents of messages, keys or request URIs, whose
query may have the token: callers pass the sentences of ``MalformedMessage``. Cost: one dictionary entry per kind of fault.
"""

import logging
import time
from collections.abc import Callable

from .counters import TOTALS

PERIOD = 10.0
"""Seconds in which a kind of fault on a channel is logged at most once. The next line has the number of lines left out."""


class LastFault:
    """The last fault of a session or a kernel, for the status page. ``kind`` is a key of ``observe.words``."""

    __slots__ = ("at", "kind", "times")

    def __init__(self) -> None:
        self.kind = ""
        """Empty before the first fault."""
        self.at = 0.0
        """The time of ``time.monotonic``, which is the clock of asyncio's loops."""
        self.times = 0
        """How often this kind happened since another kind did."""

    def note(self, kind: str) -> None:
        self.times = self.times + 1 if kind == self.kind else 1
        self.kind, self.at = kind, time.monotonic()


class FaultLog:
    """The faults of one connection or feed."""

    def __init__(self, log: logging.Logger, whose: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._whose = whose
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}
        self._withheld: dict[tuple[str, str], int] = {}
        self.counts: dict[tuple[str, str], int] = {}
        """How often each ``(channel, kind)`` happened, logged or not."""
        self.last_fault = LastFault()
        """A connection uses the one of its session."""

    def add(self, channel: str, kind: str, sentence: str, *, what: str = "ignored a message: ") -> None:
        """Counts one fault and logs it unless its kind was logged within the last ``PERIOD``."""
        key = (channel, kind)
        self.counts[key] = self.counts.get(key, 0) + 1
        TOTALS.fault(channel, kind)
        self.tell(channel, kind, sentence, what=what)

    def tell(self, channel: str, kind: str, sentence: str, *, what: str = "") -> None:
        """Logs a fault at the limited rate. Callers use ``add`` for bad messages, which are also counted."""
        self.last_fault.note(kind)
        key = (channel, kind)
        now = self._clock()
        last = self._last.get(key)
        if last is not None and now - last < PERIOD:
            self._withheld[key] = self._withheld.get(key, 0) + 1
            return
        self._last[key] = now
        withheld = self._withheld.pop(key, 0)
        more = f" (and {withheld} more like it before)" if withheld else ""
        self._log.warning("%s, %s: %s%s%s", self._whose, channel, what, sentence, more)

    def add_all(self, channel: str, faults: list[tuple[str, str]]) -> None:
        """Adds the ``(kind, sentence)`` pairs of a batch."""
        for kind, sentence in faults:
            self.add(channel, kind, sentence)
