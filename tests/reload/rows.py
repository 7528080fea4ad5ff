"""What else may happen between two looks at a notebook: each row is one story, told with stock and with kernelws.

A row returns what is wrong at its end, from a person's view; nothing is wrong if the notebook is as it would be without a reload.
Must not know which class it runs with. Cost: five to thirty seconds each.
"""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.chaos.proxy import Proxy
from tools.chaos.server import kernel_process

from .page import NOTE, RUNNING, Desk, Sheet

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

    from tests.browser.lab import LabServer

CLASS = "--ZMQChannelsWebsocketConnection"
SHORT = (f"{CLASS}.resume_timeout=1",)
LINES = [f"line {number}" for number in range(30)]
SLOW = NOTE + "import time\nfor number in range(30):\n    print(f'line {number}', flush=True)\n    time.sleep(0.1)\nnote('end')"
TEXT = "".join(line + "\n" for line in LINES)
ASK = NOTE + "import getpass\nnote('asks')\nname = input('name? ')\nword = getpass.getpass('word? ')\nprint(name, len(word))"
ASK_ONCE = NOTE + "note('asks')\nprint('got', input('name? '))"
FOREVER = NOTE + "import time\nprint('begun', flush=True)\nnote('begun')\ntime.sleep(1000)"
MARK = NOTE + "print('shown once', flush=True)\nnote('end')"
AFTER = "print('after')"
Wrong = list[str]


@dataclass(frozen=True)
class Row:
    """One story."""

    name: str
    title: str
    story: Callable[[Desk], Wrong]
    sources: tuple[str, ...]
    """The cells of the notebook."""
    ours: tuple[str, ...] = ()
    """Options of the server with kernelws."""

    def tell(self, browser: Browser, server: LabServer, seed: int = 1) -> Wrong:
        """What is wrong at the end."""
        rng = random.Random(seed)  # noqa: S311 - moments, not secrets
        with Desk(browser, server, self.sources, rng) as desk:
            return self.story(desk)


def expect(sheet: Sheet, number: int, text: str, count: int | None = 1) -> Wrong:
    """Waits until a cell has exactly this text and this count; returns what is wrong otherwise."""
    if sheet.until(lambda cells: cells[number].text == text and cells[number].count == count):
        return []
    return [f"cell {number}: {sheet.cell(number).shown} instead of [{count}] {text[-60:]!r}"]


def expect_after(sheet: Sheet, count: int = 2) -> Wrong:
    """Runs the second cell, which is `AFTER`."""
    sheet.run(1)
    return expect(sheet, 1, "after\n", count)


def prompts(desk: Desk) -> Wrong:
    """A prompt is open while the page is reloaded; then it is answered, and the next one too."""
    sheet = desk.reloaded("asks")
    if not (sheet.answer("Ada") and sheet.answer("secret", secret=True)):
        return ["no prompt is shown"]
    wrong = expect(sheet, 0, "name?  Ada\nword?  ········\nAda 6\n")
    return wrong + expect_after(sheet)


def interrupt(desk: Desk) -> Wrong:
    """The cell is interrupted from the reloaded page."""
    sheet = desk.reloaded("begun")
    wrong = [] if sheet.until(lambda cells: cells[0].prompt == RUNNING) else ["the cell is not shown as running"]
    sheet.command("notebook:interrupt-kernel")
    sheet.calm()
    wrong += expect(sheet, 0, "begun\n")
    if not any(output.get("ename") == "KeyboardInterrupt" for output in sheet.cell(0).outputs):
        wrong.append("no KeyboardInterrupt is shown")
    return wrong


def restart(desk: Desk) -> Wrong:
    """The kernel is restarted from the reloaded page: the cell is not busy any more, and keeps what it had printed."""
    sheet = desk.reloaded("begun")
    sheet.until(lambda cells: cells[0].text == "begun\n", 5)
    sheet.restart_from_menu()
    sheet.calm()
    return expect_after(sheet, 1) + expect(sheet, 0, "begun\n", None)


def second_browser(desk: Desk) -> Wrong:
    """At work a cell is run and the browser closed; at home the notebook is opened."""
    desk.begin()
    desk.leave()
    home = desk.open()
    return expect(home, 0, TEXT) + expect_after(home)


def two_tabs(desk: Desk) -> Wrong:
    """A second tab is opened while a cell runs in the first: both show it, and nothing comes twice."""
    first, second = desk.begin(), desk.open()
    desk.noted("end")
    return expect(first, 0, TEXT) + expect(second, 0, TEXT)


def two_prompts(desk: Desk) -> Wrong:
    """Two tabs show a prompt; one answers. The other shows the answer, has no box left, and can run cells."""
    first, second = desk.begin("asks"), desk.open()
    if not second.answer("Ada"):
        return ["no prompt is shown"]
    wrong = [note for sheet in (second, first) for note in expect(sheet, 0, "name?  Ada\ngot Ada\n")]
    wrong += ["a box is left"] if not first.until(lambda cells: cells[0].boxes == 0, 5) else []
    return wrong + expect_after(first)


def outlives(desk: Desk) -> Wrong:
    """No page is open for longer than `resume_timeout`, which is one second here."""
    desk.begin()
    desk.leave()
    desk.noted("end")
    return expect(desk.open(), 0, TEXT)


def away(desk: Desk) -> Wrong:
    """The page stays open, and its network is gone for longer than `resume_timeout`, which is one second here."""
    with Proxy(desk.server.address.port) as proxy:
        sheet = desk.begin(port=proxy.port)
        proxy.network(on=False)
        proxy.reset()
        desk.noted("end")
        proxy.network(on=True)
        wrong = expect(sheet, 0, TEXT)
        return wrong + expect_after(sheet)


def killed(desk: Desk) -> Wrong:
    """The kernel is killed while no page is open: what the cell had printed is shown, and it is not busy."""
    kernel_id = desk.begin("begun").kernel_id
    desk.leave()
    before = kernel_process(kernel_id)
    os.kill(before, signal.SIGKILL)
    kernel_process(kernel_id, other_than=before)
    sheet = desk.open()
    wrong = expect(sheet, 0, "begun\nThe kernel was killed (SIGKILL)\n", None)
    sheet.calm()
    return wrong + expect_after(sheet, 1)


def cleared(desk: Desk) -> Wrong:
    """Output that was cleared and saved stays away."""
    sheet = desk.begin()
    sheet.until(lambda cells: cells[0].count == 1)
    return stays_cleared(sheet)


def cleared_after_reload(desk: Desk) -> Wrong:
    """The same, in the page that has restored it."""
    sheet = desk.reloaded("end")
    return expect(sheet, 0, "shown once\n") + stays_cleared(sheet)


def stays_cleared(sheet: Sheet) -> Wrong:
    """Clears all output, saves and reloads."""
    sheet.command("notebook:clear-all-cell-outputs")
    sheet.save()
    sheet.go()
    sheet.settled()
    return [f"what was cleared is back: {sheet.cell(0).shown}"] if sheet.cell(0).outputs else []


def second_page_saves(desk: Desk) -> Wrong:
    """A second page, which has not seen the output, saves the notebook after the cell ended; then all pages are closed."""
    first, second = desk.open(), desk.open()
    first.run(0)
    desk.noted("end")
    first.until(lambda cells: cells[0].count == 1)
    second.save()
    desk.leave()
    return expect(desk.open(), 0, "shown once\n")


def clean(desk: Desk) -> Wrong:
    """A notebook whose file has everything is not changed by opening it."""
    sheet = desk.open()
    sheet.save()  # with the metadata that JupyterLab adds
    sheet.run(0)
    sheet.until(lambda cells: cells[0].count == 1)
    # By another program: no page says that it was saved
    found = sheet.cell(0)
    desk.rewrite(lambda content: content["cells"][0].update(outputs=found.outputs, execution_count=1))
    sheet.go()
    sheet.settled()
    # What is restored is a change until it is compared with the file
    return (["the notebook is shown as not saved"] if sheet.stays_dirty() else []) + expect(sheet, 0, "shown once\n")


ROWS = (
    Row("prompts", "`input()` and `getpass` answered after a reload", prompts, (ASK, AFTER)),
    Row("interrupt", "interrupt after a reload", interrupt, (FOREVER,)),
    Row("restart", "restart after a reload", restart, (FOREVER, AFTER)),
    Row("second-browser", "a second browser after the first was closed", second_browser, (SLOW, AFTER)),
    Row("two-tabs", "a second tab while a cell runs", two_tabs, (SLOW,)),
    Row("two-prompts", "two tabs at one prompt", two_prompts, (ASK_ONCE, AFTER)),
    Row("outlives", "a cell that outlives `resume_timeout`", outlives, (SLOW,), SHORT),
    Row("away", "a page without network for longer than `resume_timeout`", away, (SLOW, AFTER), SHORT),
    Row("killed", "kernel killed while no page is open", killed, (FOREVER, AFTER)),
    Row("cleared", "cleared and saved outputs", cleared, (MARK,)),
    Row("cleared-later", "cleared and saved after a reload", cleared_after_reload, (MARK,)),
    Row("second-saves", "a second page saves before it saw the output", second_page_saves, (MARK, "text")),
    Row("clean", "nothing differs from the file", clean, (MARK,)),
)
