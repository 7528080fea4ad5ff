"""The result of a row: counts of messages, which can fail a run, and figures, which cannot.

Compares a session's tally with the witness's. Lost messages and bytes are those that were sent, minus those that arrived, minus
those that notices say were left out. Must not treat a time or a size of memory as a failure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tally import Tally


@dataclass
class Outcome:
    """The result of one row for one class."""

    faults: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    arrived: int = 0
    repeated: int = 0
    left_out: int = 0
    lost: int = 0
    disordered: int = 0
    figures: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: str = ""

    def compare(self, received: Tally, *sent: Tally) -> None:
        """Compares the session's tally with those of the witnesses, one for each process of the kernel."""
        self.sent = sum(tally.arrived for tally in sent)
        self.arrived, self.repeated = received.arrived, received.repeated
        self.left_out, self.disordered = received.left_out, received.disordered
        self.lost = self.sent - self.arrived - self.left_out
        unaccounted = sum(tally.arrived_bytes for tally in sent) - received.arrived_bytes - received.left_out_bytes
        if unaccounted and not self.lost:
            self.problems.append(f"{unaccounted} bytes of text neither arrived nor are in a notice")
        known = {parent: flood.seen for tally in sent for parent, flood in tally.floods.items()}
        if any(flood.seen - known.get(parent, set()) for parent, flood in received.floods.items()):
            self.problems.append("numbers arrived that the kernel did not send")

    def add(self, other: Outcome) -> None:
        """Adds the result of a part of the row."""
        self.faults += other.faults
        for name in ("sent", "arrived", "repeated", "left_out", "lost", "disordered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems

    def figure(self, name: str, value: float, unit: str, limit: float | None = None) -> None:
        """Adds a figure with its target. Missing the target does not fail the row."""
        reached = "" if limit is None else f" (at most {limit:g}: {'yes' if value <= limit else 'NO'})"
        self.figures.append(f"{name} {value:.3g} {unit}{reached}")

    @property
    def failed(self) -> bool:
        """Whether messages are missing, out of order, or wrong in another way."""
        return bool(self.lost or self.disordered or self.problems)
