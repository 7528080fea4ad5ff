"""A row about a disk that hangs while one client does not read, and another client of the same kernel does.

Measures how long the reading client waits for the idle of a request, with and without the hang. Must not fail because of a time.
Cost: half a minute.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from kernelws.cli.bench.groups import percentile
from kernelws.cli.bench.server import KERNELWS

from .client import Client
from .context import ALL_KEPT, CLASS, NO_LIMIT, Row
from .disk import CAN_HANG, hanging
from .outcome import Outcome
from .stage import Stage

if TYPE_CHECKING:
    from .context import Context

TEXT = 10_000
LITTLE = (*ALL_KEPT, f"{CLASS}.session_memory_limit={8 << 20}")
LIMIT_MS = 10.0
PAUSE = 0.005


def hangs(context: Context, outcome: Outcome) -> None:
    """Runs the same flood twice, for a client that stops reading; the disk hangs during the second flood."""
    seconds = 3.0 if context.scale.quick else 8.0
    p99 = {}
    for hang in (False, True):
        found = Outcome()
        server = context.alone(NO_LIMIT, LITTLE)
        server.set_config(CAN_HANG)
        with server, Stage.open(server, found, proxied=False) as stage, Client(server.address, stage.kernel_id) as stopped:
            stopped.prove()
            end = stage.prepare_flood(int(seconds * 600), TEXT)
            stage.flood(seconds)
            with hanging(server.home) if hang else contextlib.nullcontext():
                p99[hang] = percentile(_idles(stage, seconds), 0.99)
            stage.follow(end)
            stage.compare(end)
        outcome.add(found)
    outcome.faults["disk hangs"] += 1
    outcome.figure("reader's p99", p99[True], "ms", p99[False] + LIMIT_MS)
    outcome.figure("without the hang", p99[False], "ms")


def _idles(stage: Stage, seconds: float) -> list[float]:
    """Sends one request after another for `seconds`; returns the milliseconds from each request to its idle."""
    found = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        asked, at, idle = stage.client.send("shell", "kernel_info_request"), time.perf_counter(), False
        while not idle:
            messages = stage.client.read(1.0)
            stage.tally.add(messages)
            idle = any(m.msg_type == "status" and asked in m.parent and b"idle" in m.content for m in messages)
        found.append(1e3 * (time.perf_counter() - at))
        time.sleep(PAUSE)
    return found


ROWS = (Row("disk-hangs", "the disk hangs while one client stops reading and another reads", hangs, (KERNELWS,)),)
