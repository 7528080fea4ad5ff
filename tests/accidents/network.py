"""Accidents of the network between browser and server: it is cut, half-open or slow, or the laptop sleeps.

Must not affect the kernel or the server: the proxy causes all faults. While the page has no network, the cell's progress file
(see `stage`) shows what the kernel has printed. Cost: five to twenty seconds each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cells import ASK, numbered, widget
from .kernel import ASK as ASK_KERNEL
from .kernel import DEBUG
from .stage import Accident

if TYPE_CHECKING:
    from .stage import Stage

# Short pings, so that a server soon notices that a client is gone. This is the only ping setting that the stock class reads; it
# is in milliseconds.
PINGS = ("--ServerApp.tornado_settings={'ws_ping_interval': 1000, 'ws_ping_timeout': 2000}",)
BOX = ".jp-Stdin input"
SLOW_RATE = 30_000.0
ASLEEP = 15.0


def cut(stage: Stage) -> None:
    """The connection is reset while a cell prints 20 lines a second. The network works again at once."""
    stage.tab.run(0)
    stage.tab.line(0, 40)
    stage.proxy.reset()
    stage.over()
    stage.tab.connected(1)
    stage.printed(100)
    stage.tab.done(0)


def away(stage: Stage) -> None:
    """The same, but the network stays off until the cell has ended."""
    stage.tab.run(0)
    stage.tab.line(0, 40)
    stage.proxy.network(on=False)
    stage.proxy.reset()
    stage.printed(100)
    stage.proxy.network(on=True)
    stage.over()
    stage.tab.connected(1)
    stage.tab.done(0)


def half_open(stage: Stage) -> None:
    """For five seconds nothing passes, and neither end is notified. The server notices it by its pings."""
    stage.tab.run(0)
    stage.tab.line(0, 20)
    stage.proxy.network(on=False)
    stage.proxy.swallow()
    stage.last(5)
    stage.proxy.network(on=True)
    stage.over()
    stage.tab.connected(1)
    stage.printed(160)
    stage.tab.done(0)


def slow(stage: Stage) -> None:
    """A cell prints six times what the network takes; after five seconds the network is fast again."""
    stage.proxy.slow(SLOW_RATE)
    stage.tab.run(0)
    stage.last(5)
    stage.proxy.slow(None)
    stage.over()
    stage.printed(1000)
    stage.tab.done(0, 20)


def cut_at_prompt(stage: Stage) -> None:
    """A cell waits at `input()` while the network is cut twice; then the user answers, once."""
    stage.tab.run(0)
    stage.tab.page.wait_for_selector(BOX)
    for times in (1, 2):
        stage.proxy.reset()
        stage.tab.connected(times)
        # Waits for a reply on the new connection: messages that the server resends come before it.
        stage.tab.until(ASK_KERNEL % DEBUG)
        stage.tab.until("() => window.asked")
    stage.over()
    box = stage.tab.page.locator(BOX).last
    box.fill("Ada", timeout=5e3)
    box.press("Enter", timeout=5e3)
    stage.tab.done(0)


def cut_at_widget(stage: Stage) -> None:
    """A reset while a widget is updated 50 times a second; its last value should be shown."""
    stage.tab.run(0)
    stage.tab.until("() => document.querySelector('.jp-OutputArea .widget-label')?.textContent.includes('#')")
    stage.printed(60)
    stage.proxy.reset()
    stage.over()
    stage.tab.connected(1)
    stage.printed(200)
    stage.tab.done(0)


def asleep(stage: Stage) -> None:
    """The page is frozen and its network is off, for three times as long as the server needs to notice that."""
    stage.tab.run(0)
    stage.tab.line(0, 20)
    devtools = stage.context.new_cdp_session(stage.tab.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    stage.proxy.network(on=False)
    stage.proxy.swallow()
    stage.last(ASLEEP)
    stage.proxy.network(on=True)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    stage.over()
    stage.tab.connected(1)
    stage.printed(160)
    stage.tab.done(0)


_WORK, _LINES = (numbered(100, 0.05),), (range(100),)
_LONGER, _LONGER_LINES = (numbered(160, 0.05),), (range(160),)
ACCIDENTS = (
    Accident("cut", "network cut in a cell", cut, _WORK, _LINES),
    Accident("away", "network cut, and away for the rest of the cell", away, _WORK, _LINES),
    Accident("half-open", "network half-open for 5 s", half_open, _LONGER, _LONGER_LINES, options=PINGS),
    Accident("slow", "network slow for 5 s", slow, (numbered(1000, 0.005, 200),), (range(1000),)),
    Accident("cut-at-prompt", "network cut twice at a prompt", cut_at_prompt, (ASK,), (range(1),)),
    Accident("cut-at-widget", "network cut in a widget's updates", cut_at_widget, (widget(200, 0.02),), (range(199, 200),)),
    Accident("asleep", "laptop asleep (15 s, short pings)", asleep, _LONGER, _LONGER_LINES, options=PINGS),
)
