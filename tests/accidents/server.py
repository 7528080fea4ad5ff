"""Accidents of the server, its disk, and its clients: the server is stopped, its disk is full or hangs, there are two tabs.

Signals stop the server, a small mounted disk fills up, and writes hang while a certain file exists. Must not leave a server
stopped or a disk hanging, because other accidents use the same server. Cost: ten to forty seconds each.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tools.chaos.disk import CAN_HANG, hanging

from .cells import large, numbered
from .stage import Accident

if TYPE_CHECKING:
    from .stage import Stage

STOPPED = 20.0
# 90 MB in all: more than a session's memory limit, so some must wait on disk. JupyterLab shows only 50 outputs of a cell.
COUNT, SIZE = 45, 2_000_000
# 50 MB: fits into memory even if the disk takes nothing. `make chaos` has a row for more, which is left out with a notice.
FITS = 25


def stopped(stage: Stage) -> None:
    """SIGSTOP for 20 s while a cell prints."""
    stage.tab.run(0)
    stage.tab.line(0, 20)
    os.kill(stage.server.pid, signal.SIGSTOP)
    try:
        stage.last(STOPPED)
    finally:
        os.kill(stage.server.pid, signal.SIGCONT)
    stage.over()
    stage.printed(60)
    stage.tab.done(0)


def two_tabs(stage: Stage) -> None:
    """Both tabs run a cell; the second waits for the first."""
    other = stage.open_tab()
    stage.tab.run(0)
    stage.tab.line(0, 10)
    other.run(1)
    stage.printed(80)
    stage.over()
    stage.tab.done(0)
    other.done(1)


def two_tabs_restart(stage: Stage) -> None:
    """The first tab restarts; the second runs a cell in the new process as soon as its page says idle."""
    other = stage.open_tab()
    before = stage.process()
    stage.tab.command("kernelmenu:restart")
    stage.process(other_than=before)
    stage.over()
    stage.tab.ready()
    other.ready()
    other.run(0)
    other.done(0)


def tab_closed(stage: Stage) -> None:
    """The tab that runs a cell is closed; the other one goes on."""
    other = stage.open_tab()
    stage.tab.run(0)
    stage.tab.line(0, 10)
    stage.close_tab(0)
    stage.over()
    stage.printed(40)
    other.run(1)
    other.done(1)


def disk_full(stage: Stage) -> None:
    """The page is disconnected while the cell shows 50 MB, and the disk for overflow is full."""
    stage.tab.run(0)
    stage.printed(1)
    stage.proxy.network(on=False)
    stage.proxy.reset()
    stage.printed(FITS)
    stage.proxy.network(on=True)
    stage.over()
    stage.tab.connected(1)
    stage.tab.done(0, 20)


def disk_hangs(stage: Stage) -> None:
    """The same with 90 MB and a disk that hangs until five seconds after the network is back."""
    with hanging(stage.server.home):
        stage.tab.run(0)
        stage.printed(1)
        stage.proxy.network(on=False)
        stage.proxy.reset()
        stage.printed(COUNT)
        stage.proxy.network(on=True)
        stage.last(5)
    stage.over()
    stage.tab.connected(1)
    stage.tab.done(0, 20)


_SHORT = numbered(40, 0.05)
_LARGE, _SHOWN = (large(COUNT, SIZE, 0.05),), (range(COUNT),)
ACCIDENTS = (
    Accident("stopped", "server stopped for 20 s", stopped, (numbered(60, 0.05),), (range(60),)),
    Accident("two-tabs", "two tabs run cells", two_tabs, (_SHORT, _SHORT), (range(40), range(40))),
    Accident("two-tabs-restart", "two tabs, one restarts, the other runs", two_tabs_restart, (_SHORT,), (range(40),)),
    Accident("tab-closed", "one of two tabs closed in its cell", tab_closed, (_SHORT, _SHORT), (range(40), range(40))),
    Accident("disk-full", "away for 50 MB, disk full", disk_full, (large(FITS, SIZE, 0.05),), (range(FITS),), disk=8),
    Accident("disk-hangs", "away for 90 MB, disk hangs", disk_hangs, _LARGE, _SHOWN, config=CAN_HANG),
)
