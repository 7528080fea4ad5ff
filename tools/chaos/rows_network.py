"""Rows about the connection: floods to a client whose connection is cut, stalled, slowed or rate-limited.

Each row is a function that opens a stage, floods, reads and compares. Must not repeat code of `stage`.
Cost: the duration of a flood for each row, 15 to 45 seconds in full.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from kernelws.cli.bench.server import KERNELWS

from . import faults
from .context import CLASS, NO_LIMIT, Row
from .outcome import Outcome
from .stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .context import Context
    from .faults import Fault

SIZE = 60
HIGH_WATER = 512 << 10


def cut(context: Context, outcome: Outcome) -> None:
    """Cuts of the connection at random moments of a flood."""
    scale = context.scale
    schedule = faults.cuts(context.random("cuts"), scale.cuts, scale.seconds)
    _under_faults(context, outcome, schedule, scale.seconds)


def mixture(context: Context, outcome: Outcome) -> None:
    """All faults of the connection, and a kernel that is stopped at times."""
    scale = context.scale
    schedule = faults.mixture(context.random("mixture"), scale.faults, scale.fault_seconds)
    _under_faults(context, outcome, schedule, scale.fault_seconds)


def _under_faults(context: Context, outcome: Outcome, schedule: Sequence[Fault], seconds: float) -> None:
    with context.server(NO_LIMIT) as server, Stage.open(server, outcome) as stage:
        end = stage.prepare_flood(context.scale.messages, SIZE)
        stage.flood(seconds)
        stage.follow(end, schedule)
        stage.compare(end)
        _judge_repeats(stage, outcome)


def _judge_repeats(stage: Stage, outcome: Outcome) -> None:
    """Only unacknowledged messages may arrive twice: at most the high-water mark and one message beyond it."""
    worst = max(stage.tally.repeated_bytes)
    outcome.figure("repeated", 100 * outcome.repeated / max(1, outcome.arrived), "%")
    outcome.figure("at most", worst / 1e3, "KB of text a connection")
    if stage.server.name == KERNELWS and worst > HIGH_WATER + stage.tally.largest:
        outcome.problems.append("more text arrived twice than can have been unacknowledged")


def defaults(context: Context, outcome: Outcome) -> None:
    """Default settings, with rate limits: no message must be missing."""
    with context.server() as server, Stage.open(server, outcome) as stage:
        end = stage.prepare_flood(context.scale.messages, SIZE)
        stage.flood()
        stage.follow(end)
        stage.compare(end)


def mute(context: Context, outcome: Outcome) -> None:
    """A client that answers no pings gets all messages, also after a cut."""
    with context.server(NO_LIMIT, (f"{CLASS}.ack_timeout=1",)) as server, Stage.open(server, outcome, pongs=False) as stage:
        random, seconds = context.random("mute"), context.scale.seconds / 5
        end = stage.prepare_flood(context.scale.messages // 5, SIZE)
        stage.flood(seconds)
        stage.follow(end, [faults.Fault(random.uniform(0.3, 0.7) * seconds, faults.FIN, 0.0)])
        stage.compare(end)
        outcome.faults["no pong"] += 1


def trickle(context: Context, outcome: Outcome) -> None:
    """Single lines at a slow rate, and a connection that ends meanwhile: counts the lines that arrive twice."""
    for (rate, most), clean in itertools.product(TRICKLES, (False, True)):
        seconds = TRICKLE_LINES / rate if not context.scale.quick else 2.0
        found = Outcome()
        with context.server(NO_LIMIT) as server, Stage.open(server, found) as stage:
            end = stage.prepare_flood(int(rate * seconds), SIZE, chunk=0)
            stage.flood(seconds)
            moment = context.random(f"trickle {rate} {clean}").uniform(0.3, 0.7) * seconds
            stage.follow(end, [faults.Fault(moment, faults.CLOSE if clean else faults.FIN, 0.0)])
            stage.compare(end)
        name = f"{rate:g}/s, {'closed' if clean else 'cut'}: twice"
        outcome.add(found)
        outcome.figure(name, found.repeated, "lines", most)
        if server.name == KERNELWS and found.repeated > 2 * most:
            outcome.problems.append(f"at {rate:g}/s {found.repeated} lines arrived twice")


TRICKLE_LINES = 600
TRICKLES = ((100.0, 10), (20.0, 3))
"""Lines a second, and how many may arrive twice if a round trip takes a few milliseconds."""

ROWS = (
    Row("cuts", "cuts at random moments in a flood", cut),
    Row("mixture", "all network faults and a stopped kernel in a flood", mixture),
    Row("trickle", "single lines at a slow rate, and a connection that is cut or closed, and opened again", trickle),
    Row("defaults", "a flood with all defaults, limits on", defaults),
    Row("mute", "a client that never answers a ping, and is cut", mute, (KERNELWS,)),
)
