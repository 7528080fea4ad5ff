"""Rows about a restart and an interrupt over REST, during a flood with rate limits.

Measures how soon the client has the messages that follow. Must not fail because of a time. The restart uses the synthetic kernel;
the interrupt uses ipykernel, because the synthetic kernel cannot be interrupted. Cost: ten seconds a row.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kernelws.cli.bench.direct import Direct
from kernelws.cli.bench.server import KERNELWS

from .client import Client
from .context import CLASS, Row
from .server import kernel_process
from .stage import NothingMoreError, Stage
from .tally import NOTICE, Tally
from .witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Message
    from .context import Context
    from .outcome import Outcome

SIZE = 1000
SOON = (f"{CLASS}.restart_announce_delay=1",)
PRINTS = "number = 0\nwhile True:\n    print('L' * 100, number)\n    number += 1"
PATIENCE = 120.0
OTHERS = 10
"""The most statuses of the old process that are left out. The notice counts them, and the witness does not."""


def replaced(context: Context, outcome: Outcome) -> None:
    """A restart while most of a flood waits for the rate limits. The unsent output is left out, with a notice."""
    outcome.faults["kernel restarted (REST)"] += 1
    with context.server((), SOON) as server, Stage.open(server, outcome) as stage:
        running = kernel_process(stage.kernel_id)
        end = stage.prepare_flood(context.scale.messages // 10, SIZE)
        stage.flood()
        stage.direct.ask("bench_drained")
        before = stage.witness.read_until(end)
        server.request("POST", f"/api/kernels/{stage.kernel_id}/restart")
        kernel_process(stage.kernel_id, other_than=running)
        connection = server.connection(stage.kernel_id)
        with Direct(connection) as direct, Witness(connection, direct) as witness:
            stage.direct, stage.witness = direct, witness
            outcome.figure("first idle after its reply", max(0.0, _idle_after_reply(stage)), "s", 1.0)
            end = stage.prepare_flood(100, SIZE)
            stage.flood()
            stage.follow(end)
            stage.compare(end, before)
    others = -outcome.lost
    if server.name == KERNELWS:
        outcome.figure("left out besides numbered text", others, "messages")
        if 0 <= others <= OTHERS:
            outcome.lost = 0


def _idle_after_reply(stage: Stage) -> float:
    """Seconds from the reply to the idle of the first request to the new process."""
    asked = stage.client.send("shell", "kernel_info_request")
    replied, idle = 0.0, 0.0

    def seen(message: Message) -> None:
        nonlocal replied, idle
        if asked in message.parent and message.msg_type == "kernel_info_reply":
            replied = time.monotonic()
        if asked in message.parent and message.msg_type == "status" and b"idle" in message.content:
            idle = time.monotonic()

    _read_until(stage.client, stage.tally, seen, lambda: bool(replied and idle))
    return idle - replied


def interrupted(context: Context, outcome: Outcome) -> None:
    """An interrupt of a cell that prints without end. Measures how soon its idle arrives."""
    outcome.faults["interrupt (REST)"] += 1
    seconds = 2.0 if context.scale.quick else 8.0
    with context.server() as server:
        kernel_id = server.start_kernel("python3")
        try:
            with Client(server.address, kernel_id) as client:
                client.prove()
                _interrupt(client, lambda: server.request("POST", f"/api/kernels/{kernel_id}/interrupt"), seconds, outcome)
        finally:
            server.end_kernel(kernel_id)


def _interrupt(client: Client, interrupt: Callable[[], object], seconds: float, outcome: Outcome) -> None:
    tally, asked = Tally(), client.send("shell", "execute_request", {"code": PRINTS, "allow_stdin": False})
    error = replied = idle = notices = 0.0

    def seen(message: Message) -> None:
        nonlocal error, replied, idle, notices
        if asked not in message.parent:
            return
        error = error or (time.monotonic() if message.msg_type == "error" else 0.0)
        replied = replied or (time.monotonic() if message.msg_type == "execute_reply" else 0.0)
        if message.msg_type == "status" and b"idle" in message.content:
            idle = time.monotonic()
        notices += bool(message.msg_type == "stream" and NOTICE.search(message.content.decode()))

    began = time.monotonic()
    _read_until(client, tally, seen, lambda: time.monotonic() - began > seconds)
    interrupt()
    _read_until(client, tally, seen, lambda: bool(replied and idle))
    # A reply never waits for output, so it arrives when the cell has ended
    outcome.figure("idle after the reply", idle - replied, "s", 2.0)
    outcome.figure("notices", notices, "")
    if not error:
        outcome.problems.append("the error did not arrive")


def _read_until(client: Client, tally: Tally, seen: Callable[[Message], None], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise NothingMoreError("the expected messages did not arrive")
        messages = client.read(0.1)
        tally.add(messages)
        for message in messages:
            seen(message)


ROWS = (
    Row("replaced", "a restart in a flood, limits on", replaced),
    Row("interrupted", "an interrupt of endless prints, limits on", interrupted),
)
