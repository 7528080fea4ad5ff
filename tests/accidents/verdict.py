"""Which of two classes is worse, from what users of both saw in the same accident.

Compares the runs of the two classes pair by pair. A class is worse if a count that users see is higher in at least three of five
pairs, or if its median time is over 1.3 times that of the other class and half a second longer. A count within `ALLOWED` is
never worse, even if the other class has none. Must not run anything, or print. Cost: none.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .seen import Seen

PAIRS = 0.6
"""The share of pairs in which a count is worse: three of five."""
RATIO, SECONDS = 1.3, 0.5
BAD = ("input boxes too many", "lines missing", "lines twice", "lines out of order", "cells stay [*]", "unusable")
"""Counts that are a fault whatever the other class does."""
ALLOWED = {"dialogs": 1, "of a dead kernel": 1, "reconnects": 1, "lines twice": 3}
"""Up to these counts a class is not worse. One dialog, with its reconnect, tells the user what has happened; the other class may
show nothing. Up to three repeated lines after a cut are accepted, because no line is lost."""
UNSEEN = ("console errors",)
"""Counts that the table shows and no user sees."""
WORSE, SAME, BETTER = "worse", "same", "better"


def worse(one: Sequence[Seen], other: Sequence[Seen]) -> list[str]:
    """In what `one` is worse than `other`: labels of counts, and "time"."""
    needed = math.ceil(PAIRS * min(len(one), len(other)))
    found = [
        label
        for label in one[0].counts()
        if label not in UNSEEN and sum(_is_more(label, *pair) for pair in zip(one, other, strict=False)) >= needed
    ]
    mine, theirs = (median(seen.seconds for seen in runs) for runs in (one, other))
    return [*found, *(["time"] if mine > RATIO * theirs and mine > theirs + SECONDS else [])]


def _is_more(label: str, mine: Seen, theirs: Seen) -> bool:
    return mine.counts()[label] > max(theirs.counts()[label], ALLOWED.get(label, 0))


def bad(runs: Sequence[Seen]) -> list[str]:
    """The labels of `BAD` whose median count is not zero."""
    return [label for label in BAD if median(seen.counts()[label] for seen in runs) > 0]


def verdict(stock: Sequence[Seen], ours: Sequence[Seen]) -> str:
    """One word for kernelws, with what is worse; and whether both are bad."""
    losses, gains = worse(ours, stock), worse(stock, ours)
    gained = f"{BETTER} ({', '.join(gains)})" if gains else SAME
    word = f"**{WORSE}** ({', '.join(losses)})" if losses else gained
    return f"{word}, both bad" if bad(stock) and bad(ours) else word
