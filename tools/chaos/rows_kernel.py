"""Rows about kernels that are killed, restarted or moved to new ports, and about a failing disk for overflow.

Floods from one kernel process, ends it when it has sent everything, waits for the next process, and floods again. Must not kill a
kernel before it has sent its output, which no server could deliver then. Each process has its own witness; one session receives
from both. Cost: 5 to 10 seconds a row.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from kernelws.cli.bench.direct import Direct
from kernelws.cli.bench.server import KERNELWS

from .context import ALL_KEPT, CLASS, NO_LIMIT, Row
from .disk import limited_files, small_disk
from .server import kernel_process
from .stage import NothingMoreError, Stage
from .witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from .context import Context
    from .outcome import Outcome
    from .server import ChaosServer
    from .tally import Tally

SIZE, TEXT = 100, 1000
QUICKLY = ("--KernelRestarter.time_to_dead=0.5",)
# With cached ports jupyter_client logs "new random ports", but keeps the old ones
NEW_PORTS = (*QUICKLY, "--KernelManager.cache_ports=False")
SAME_PORTS = (*QUICKLY, "--KernelRestarter.random_ports_until_alive=False")
SOON = (f"{CLASS}.restart_announce_delay=0.3",)
MEGABYTE = 1_000_000
DISK_MB = 40
OLD_OUTPUT = (f"{CLASS}.drop_output_on_restart=False",)
FILE_BYTES = 16 * MEGABYTE


def killed(context: Context, outcome: Outcome) -> None:
    """SIGKILL; the server starts the kernel again on the same ports."""
    _two_processes(context, outcome, (*NO_LIMIT, *SAME_PORTS), _kill, "kernel killed (SIGKILL)")


def moved(context: Context, outcome: Outcome) -> None:
    """SIGKILL soon after the start; the server starts the kernel again on new ports."""
    _two_processes(context, outcome, (*NO_LIMIT, *NEW_PORTS), _kill_and_move, "kernel killed, new ports")


def restarted(context: Context, outcome: Outcome) -> None:
    """A restart over REST, with a setting that keeps the old process's output."""
    _two_processes(context, outcome, NO_LIMIT, _restart, "kernel restarted (REST)")


def _kill(stage: Stage) -> None:
    os.kill(kernel_process(stage.kernel_id), signal.SIGKILL)


def _kill_and_move(stage: Stage) -> None:
    before = stage.server.connection(stage.kernel_id)["iopub_port"]
    running = kernel_process(stage.kernel_id)
    _kill(stage)
    kernel_process(stage.kernel_id, other_than=running)
    if stage.server.connection(stage.kernel_id)["iopub_port"] == before:
        raise NothingMoreError("the kernel did not move to new ports")


def _restart(stage: Stage) -> None:
    stage.server.request("POST", f"/api/kernels/{stage.kernel_id}/restart")


def _two_processes(
    context: Context,
    outcome: Outcome,
    options: tuple[str, ...],
    end_it: Callable[[Stage], None],
    fault: str,
) -> None:
    outcome.faults[fault] += 1
    with context.server(options, (*SOON, *OLD_OUTPUT)) as server, Stage.open(server, outcome) as stage:
        running = kernel_process(stage.kernel_id)
        end = stage.prepare_flood(context.scale.messages // 10, SIZE)
        stage.flood()
        stage.direct.ask("bench_drained")
        before = stage.witness.read_until(end)
        end_it(stage)
        _read_to_the_restart(stage, end, before)
        kernel_process(stage.kernel_id, other_than=running)
        _next_process(context, stage, before)


def _read_to_the_restart(stage: Stage, end: str, before: Tally) -> None:
    """Reads all output of the old process; the status `restarting` must arrive after it."""
    stage.follow(end)
    if stage.server.name == KERNELWS:
        stage.wait_for_state("restarting")
        states = [state for parent, state in stage.tally.states if state == "restarting" or parent in before.floods]
        if states.index("restarting") < len(states) - 1 - states[::-1].index("idle"):
            stage.outcome.problems.append("the restart was announced before the last message")


def _next_process(context: Context, stage: Stage, before: Tally) -> None:
    connection = stage.server.connection(stage.kernel_id)
    old, first = stage.direct, stage.witness
    try:
        with Direct(connection) as direct:
            direct.ask("kernel_info_request")
            with Witness(connection, direct) as witness:
                stage.direct, stage.witness = direct, witness
                stage.prove()
                end = stage.prepare_flood(context.scale.messages // 10, SIZE)
                stage.flood()
                stage.follow(end)
                stage.compare(end, before)
    finally:
        stage.direct, stage.witness = old, first


def full_disk(context: Context, outcome: Outcome) -> None:
    """The disk for overflow fills up while no client is connected. The notices have the exact number of bytes left out."""
    with small_disk(DISK_MB) as folder:
        if folder is None:
            outcome.skipped = "needs root and a loop device"
        else:
            _overflow(context, outcome, (f"{CLASS}.spool_dir={folder}",), lambda _: None, "disk full")


def failing_writes(context: Context, outcome: Outcome) -> None:
    """The same with a disk that has room, but on which writes fail (EFBIG)."""
    _overflow(context, outcome, (), lambda server: limited_files(server.pid, FILE_BYTES), "writes to disk fail")


def _overflow(
    context: Context, outcome: Outcome, options: tuple[str, ...], hurt: Callable[[ChaosServer], None], fault: str
) -> None:
    outcome.faults[fault] += 1
    ours = (*ALL_KEPT, f"{CLASS}.session_memory_limit={4 << 20}", *options)
    with contextlib.ExitStack() as stack:
        # Not shared with other rows, because the fault is not undone
        server = stack.enter_context(context.alone(NO_LIMIT, ours))
        stage = stack.enter_context(Stage.open(server, outcome))
        hurt(server)
        end = stage.prepare_flood(80_000, TEXT)
        stage.client.close(1001)
        stage.flood()
        stage.direct.ask("bench_drained")
        server.quiet()
        stage.come_back()
        stage.follow(end)
        stage.compare(end)
        if not outcome.left_out:
            outcome.problems.append("the fault had no effect: no output was left out")


ROWS = (
    Row("killed", "the kernel is killed and starts again", killed),
    Row("moved", "the kernel is killed and starts again on new ports", moved, (KERNELWS,)),
    Row("restarted", "the kernel is restarted over REST, its old output kept", restarted),
    Row("disk-full", "the disk for overflow is full", full_disk, (KERNELWS,)),
    Row("disk-fails", "writes to the disk for overflow fail", failing_writes, (KERNELWS,)),
)
