"""`python -m tests.reload.pictures`: screenshots of a cell that runs, after a reload, with stock and with kernelws.

Writes docs/images/reload-stock.png and reload-kernelws.png, from Notebook 7. Must show the page as it is: nothing is drawn into
it. Cost: half a minute.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from kernelws.cli.bench.server import KERNELWS, STOCK
from tests.browser.lab import PANEL
from tools.chaos.server import ROOT
from tools.chromium import chromium

from .page import Desk
from .servers import server_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TRAIN = """\
import time

for epoch in range(1, 101):
    print(f"epoch {epoch}: loss {1 / (epoch + 0.4):.2f}", flush=True)
    time.sleep(0.5)"""
SIZE = {"width": 640, "height": 400}
EPOCHS = 5


def shoot(browser: Browser, name: str) -> None:
    """Runs the cell, reloads when it has printed some lines, and takes the picture a few lines later."""
    with server_of("notebook", name) as server, Desk(browser, server, [TRAIN, "evaluate = 'next'"], random.Random(1)) as desk:  # noqa: S311
        sheet = desk.open(viewport=SIZE)
        sheet.run_all()
        sheet.until(lambda cells: cells[0].text.count("epoch") >= EPOCHS)
        sheet.go()
        sheet.settled()
        sheet.until(lambda cells: cells[0].text.count("epoch") >= 2 * EPOCHS, 5)
        sheet.page.locator(PANEL).screenshot(path=ROOT / f"docs/images/reload-{name}.png", animations="disabled", caret="hide")


if __name__ == "__main__":
    with chromium() as started:
        for each in (STOCK, KERNELWS):
            shoot(started, each)
