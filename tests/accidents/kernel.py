"""Accidents of the kernel: it dies, cannot start, is restarted by another client, is interrupted, never answers, or is busy.

An accident must not return before its fault has happened. It waits for the kernel's process, and then for the page. Cost: five
to thirty seconds each.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.browser.onlooker import Onlooker, announced

from .cells import DISPLAYS, FLOOD, FOREVER, numbered
from .odd_kernel import BROKEN, FRAGILE, MUTE
from .stage import Accident

if TYPE_CHECKING:
    from .stage import Stage

NEW_PORTS = (
    "--KernelRestarter.time_to_dead=0.5",
    "--KernelManager.cache_ports=False",
    # The restarter gives new ports only to a kernel that has run for less than this time.
    "--KernelRestarter.stable_start_time=3600",
)
SOON_DEAD = ("--KernelRestarter.restart_limit=2",)
TEXT_SECONDS, DISPLAY_SECONDS = 8.0, 4.0
"""How long a flood goes on until the user interrupts it."""
DIES = f"{numbered(20, 0.01)}\nimport os\nos._exit(1)"
RESTARTING = "restarting"
COMPLETE = "kernel.requestComplete({code: 'impo', cursor_pos: 4})"
DEBUG = "kernel.requestDebug({seq: 1, type: 'request', command: 'debugInfo'}).done"
OTHER_KERNEL = """() => {
  window.jupyterapp.shell.currentWidget.sessionContext.changeKernel({name: 'python3'});
  return true;
}"""
ASK = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  window.asked = 0;
  %s.then(() => { window.asked = performance.now(); });
  return true;
}"""


def dies_in_cell(stage: Stage) -> None:
    """The cell ends its own process."""
    before = stage.process()
    stage.tab.run(0)
    stage.printed(20)
    stage.over()
    _next_process(stage, before)


def dies_idle(stage: Stage) -> None:
    """SIGKILL, as the kernel's out-of-memory killer does it."""
    _kill(stage)


def _kill(stage: Stage) -> None:
    before = stage.process()
    os.kill(before, signal.SIGKILL)
    stage.over()
    _next_process(stage, before)


def _next_process(stage: Stage, before: int) -> None:
    stage.process(other_than=before)
    stage.tab.status(RESTARTING)


def cannot_start_again(stage: Stage) -> None:
    """Every new process ends at once, until the server gives up; the user takes another kernel."""
    marker = stage.server.home / BROKEN
    marker.touch()
    try:
        os.kill(stage.process(), signal.SIGKILL)
        stage.tab.status("dead", seconds=25)
    finally:
        marker.unlink()
    stage.over()
    stage.tab.until(OTHER_KERNEL)


def _restart_here(stage: Stage) -> None:
    since = len(stage.tab.until("() => window.seen")["statuses"])
    stage.tab.command("kernelmenu:restart")
    stage.tab.status(RESTARTING, since)


def restart_here(stage: Stage) -> None:
    """From the menu of this tab, while a cell runs."""
    stage.tab.run(0)
    stage.tab.running(0)
    stage.over()
    _restart_here(stage)


def restart_in_flood(stage: Stage) -> None:
    """From the menu of this tab, while a cell prints as fast as it can."""
    stage.tab.run(0)
    stage.tab.running(0)
    stage.last(4)
    stage.over()
    _restart_here(stage)


def restart_elsewhere(stage: Stage) -> None:
    """Another client restarts the idle kernel by REST. Only kernelws notifies this page."""
    stage.server.request("POST", f"/api/kernels/{stage.kernel_id}/restart")
    stage.over()
    stage.tab.status(RESTARTING, seconds=5)


def restart_elsewhere_in_cell(stage: Stage) -> None:
    """The same while a cell of this page runs. The cell's `[*]` should disappear."""
    stage.tab.run(0)
    stage.tab.running(0)
    restart_elsewhere(stage)
    stage.tab.done(0, 5)


def new_ports(stage: Stage) -> None:
    """The kernel dies, and its next process listens on other ports."""
    before = stage.server.connection(stage.kernel_id)["iopub_port"]
    _kill(stage)
    if stage.server.connection(stage.kernel_id)["iopub_port"] == before:
        raise RuntimeError("the kernel did not move to new ports")


def cut_after_restarting(stage: Stage) -> None:
    """The network is cut directly after the server has announced the restart."""
    onlooker = Onlooker(stage.server, stage.kernel_id)
    try:
        before = stage.process()
        os.kill(before, signal.SIGKILL)
        onlooker.wait(announced, stage.left())
        stage.proxy.cut()
        stage.over()
        stage.process(other_than=before)
        stage.tab.connected(1)
    finally:
        onlooker.close()


def interrupt_text(stage: Stage) -> None:
    """The user interrupts after eight seconds of text, printed as fast as the kernel can."""
    _interrupt(stage, TEXT_SECONDS)


def interrupt_displays(stage: Stage) -> None:
    """The user interrupts after four seconds of displays."""
    _interrupt(stage, DISPLAY_SECONDS)


def _interrupt(stage: Stage, seconds: float) -> None:
    stage.tab.run(0)
    stage.tab.running(0)
    stage.last(seconds)
    stage.over()
    stage.tab.command("notebook:interrupt-kernel")
    stage.tab.done(0, 130)


def never_answers(stage: Stage) -> None:
    """The notebook's kernel is a process that says nothing; after ten seconds the user takes another kernel."""
    stage.last(10)
    stage.over()
    stage.tab.until(OTHER_KERNEL)


def debugger(stage: Stage) -> None:
    """The debugger asks while a cell runs, and is answered before the cell ends."""
    stage.tab.run(0)
    stage.tab.line(0, 10)
    stage.over()
    stage.tab.until(ASK % DEBUG)
    stage.tab.until("() => window.asked")
    stage.tab.done(0, 20)


def completion(stage: Stage) -> None:
    """A completion is asked for while a cell runs, and comes once the cell is over."""
    stage.tab.run(0)
    stage.tab.line(0, 10)
    stage.over()
    stage.tab.until(ASK % COMPLETE)
    stage.tab.done(0, 20)
    stage.tab.until("() => window.asked", seconds=20)


_WORK, _LINES = (numbered(60, 0.05),), (range(60),)
ACCIDENTS = (
    Accident("dies-in-cell", "kernel dies in a cell", dies_in_cell, (DIES,), (range(20),)),
    Accident("dies-idle", "kernel dies idle", dies_idle),
    Accident("cannot-start", "kernel dies and cannot start again", cannot_start_again, kernel=FRAGILE, options=SOON_DEAD),
    Accident("restart-here", "restart from this tab in a cell", restart_here, (FOREVER,)),
    Accident("restart-elsewhere", "restart by another client, idle", restart_elsewhere),
    Accident("restart-elsewhere-in-cell", "restart by another client in a cell", restart_elsewhere_in_cell, (FOREVER,)),
    Accident("new-ports", "kernel dies and moves to new ports", new_ports, options=NEW_PORTS),
    Accident("restart-in-flood", "restart from this tab in a flood", restart_in_flood, (FLOOD,)),
    Accident("cut-after-restarting", "network cut directly after `restarting`", cut_after_restarting),
    Accident("interrupt-text", "interrupt after 8 s of text", interrupt_text, (FLOOD,), limit=150),
    Accident("interrupt-displays", "interrupt after 4 s of displays", interrupt_displays, (DISPLAYS,), limit=150),
    Accident(
        "never-answers",
        "kernel that never answers",
        never_answers,
        kernel=MUTE,
        ready=False,
        options=("--MappingKernelManager.kernel_info_timeout=3",),
    ),
    Accident("debugger", "debugger while a cell runs", debugger, _WORK, _LINES),
    Accident("completion", "completion while a cell runs", completion, _WORK, _LINES),
)
