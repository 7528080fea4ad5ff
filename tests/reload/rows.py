"""What else may happen between two looks at a notebook: each row is one story, told with stock and with kernelws.

A row returns what is wrong at its end, from a person's view; nothing is wrong if the notebook is as it would be without a reload.
Must not know which class it runs with. Cost: five to thirty seconds each.
"""

from __future__ import annotations

import os
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
LINES = [f"line {number}" for number in range(30)]
SLOW = NOTE + "import time\nfor number in range(30):\n    print(f'line {number}', flush=True)\n    time.sleep(0.1)\nnote('end')"
TEXT = "".join(line + "\n" for line in LINES)
ASK = NOTE + "import getpass\nnote('asks')\nname = input('name? ')\nword = getpass.getpass('word? ')\nprint(name, len(word))"
FOREVER = NOTE + "import time\nprint('begun', flush=True)\nnote('begun')\ntime.sleep(1000)"
MARK = NOTE + "print('shown once', flush=True)\nnote('end')"
Wrong = list[str]


@dataclass(frozen=True)
class Row:
    """One story."""

    name: str
    title: str
    tell: Callable[[Browser, LabServer], Wrong]
    ours: tuple[str, ...] = ()
    """Options of the server with kernelws."""


def expect(sheet: Sheet, number: int, text: str, count: int | None = 1) -> Wrong:
    """Waits until a cell has exactly this text and this count; returns what is wrong otherwise."""
    if sheet.until(lambda cells: cells[number].text == text and cells[number].count == count):
        return []
    return [f"cell {number}: {sheet.cell(number).shown} instead of [{count}] {text[-60:]!r}"]


def prompts(browser: Browser, server: LabServer) -> Wrong:
    """A prompt is open while the page is reloaded; then it is answered, and the next one too."""
    desk = Desk(browser, server, [ASK, "print('after')"])
    try:
        sheet = desk.open()
        sheet.run(0)
        desk.noted("asks")
        sheet.go()
        if not (sheet.answer("Ada") and sheet.answer("secret", secret=True)):
            return ["no prompt is shown"]
        wrong = expect(sheet, 0, "name?  Ada\nword?  ········\nAda 6\n")
        sheet.run(1)
        return wrong + expect(sheet, 1, "after\n", 2)
    finally:
        desk.close()


def interrupt(browser: Browser, server: LabServer) -> Wrong:
    """The cell is interrupted from the reloaded page."""
    desk = Desk(browser, server, [FOREVER, "print('after')"])
    try:
        sheet = desk.open()
        sheet.run(0)
        desk.noted("begun")
        sheet.go()
        wrong = [] if sheet.until(lambda cells: cells[0].prompt == RUNNING) else ["the cell is not shown as running"]
        sheet.command("notebook:interrupt-kernel")
        sheet.calm()
        wrong += expect(sheet, 0, "begun\n")
        if not any(output.get("ename") == "KeyboardInterrupt" for output in sheet.cell(0).outputs):
            wrong.append("no KeyboardInterrupt is shown")
        return wrong
    finally:
        desk.close()


def restart(browser: Browser, server: LabServer) -> Wrong:
    """The kernel is restarted from the reloaded page: the cell is not busy any more, and keeps what it had printed."""
    desk = Desk(browser, server, [FOREVER, "print('after')"])
    try:
        sheet = desk.open()
        sheet.run(0)
        desk.noted("begun")
        sheet.go()
        sheet.until(lambda cells: cells[0].text == "begun\n", 5)
        sheet.restart_from_menu()
        sheet.calm()
        sheet.run(1)
        return expect(sheet, 1, "after\n") + expect(sheet, 0, "begun\n", None)
    finally:
        desk.close()


def second_browser(browser: Browser, server: LabServer) -> Wrong:
    """At work a cell is run and the browser closed; at home the notebook is opened."""
    desk = Desk(browser, server, [SLOW, "print('after')"])
    try:
        work = desk.open()
        work.run(0)
        work.until(lambda cells: bool(cells[0].text))
        desk.contexts.pop().close()
        home = desk.open()
        wrong = expect(home, 0, TEXT)
        home.run(1)
        return wrong + expect(home, 1, "after\n", 2)
    finally:
        desk.close()


def two_tabs(browser: Browser, server: LabServer) -> Wrong:
    """A second tab is opened while a cell runs in the first: both show it, and nothing comes twice."""
    desk = Desk(browser, server, [SLOW])
    try:
        first = desk.open()
        first.run(0)
        second = desk.open()
        desk.noted("end")
        return expect(first, 0, TEXT) + expect(second, 0, TEXT)
    finally:
        desk.close()


def two_prompts(browser: Browser, server: LabServer) -> Wrong:
    """Two tabs show a prompt; one answers. The other shows the answer, has no box left, and can run cells."""
    desk = Desk(browser, server, [NOTE + "note('asks')\nprint('got', input('name? '))", "print('after')"])
    try:
        first = desk.open()
        first.run(0)
        desk.noted("asks")
        second = desk.open()
        if not second.answer("Ada"):
            return ["no prompt is shown"]
        wrong = [note for sheet in (second, first) for note in expect(sheet, 0, "name?  Ada\ngot Ada\n")]
        wrong += ["a box is left"] if not first.until(lambda cells: cells[0].boxes == 0, 5) else []
        first.run(1)
        return wrong + expect(first, 1, "after\n", 2)
    finally:
        desk.close()


def outlives(browser: Browser, server: LabServer) -> Wrong:
    """No page is open for longer than `resume_timeout`, which is one second here."""
    desk = Desk(browser, server, [SLOW])
    try:
        sheet = desk.open()
        sheet.run(0)
        sheet.until(lambda cells: bool(cells[0].text))
        desk.contexts.pop().close()
        desk.noted("end")
        return expect(desk.open(), 0, TEXT)
    finally:
        desk.close()


def away(browser: Browser, server: LabServer) -> Wrong:
    """The page stays open, and its network is gone for longer than `resume_timeout`, which is one second here."""
    desk = Desk(browser, server, [SLOW, "print('after')"])
    with Proxy(server.address.port) as proxy:
        try:
            sheet = desk.open(port=proxy.port)
            sheet.run(0)
            sheet.until(lambda cells: bool(cells[0].text))
            proxy.network(on=False)
            proxy.reset()
            desk.noted("end")
            proxy.network(on=True)
            wrong = expect(sheet, 0, TEXT)
            sheet.run(1)
            return wrong + expect(sheet, 1, "after\n", 2)
        finally:
            desk.close()


def killed(browser: Browser, server: LabServer) -> Wrong:
    """The kernel is killed while no page is open: what the cell had printed is shown, and it is not busy."""
    desk = Desk(browser, server, [FOREVER, "print('after')"])
    try:
        sheet = desk.open()
        sheet.run(0)
        desk.noted("begun")
        kernel_id = sheet.kernel_id
        desk.contexts.pop().close()
        before = kernel_process(kernel_id)
        os.kill(before, signal.SIGKILL)
        kernel_process(kernel_id, other_than=before)
        sheet = desk.open()
        wrong = expect(sheet, 0, "begun\nThe kernel was killed (SIGKILL)\n", None)
        sheet.calm()
        sheet.run(1)
        return wrong + expect(sheet, 1, "after\n")
    finally:
        desk.close()


def cleared(browser: Browser, server: LabServer) -> Wrong:
    """Output that was cleared and saved stays away."""
    desk = Desk(browser, server, [MARK])
    try:
        sheet = desk.open()
        sheet.run(0)
        sheet.until(lambda cells: cells[0].count == 1)
        sheet.command("notebook:clear-all-cell-outputs")
        sheet.save()
        sheet.go()
        sheet.settled()
        return [f"what was cleared is back: {sheet.cell(0).shown}"] if sheet.cell(0).outputs else []
    finally:
        desk.close()


def cleared_after_reload(browser: Browser, server: LabServer) -> Wrong:
    """The same, in the page that has restored it."""
    desk = Desk(browser, server, [MARK])
    try:
        sheet = desk.open()
        sheet.run(0)
        desk.noted("end")
        sheet.go()
        wrong = expect(sheet, 0, "shown once\n")
        sheet.command("notebook:clear-all-cell-outputs")
        sheet.save()
        sheet.go()
        sheet.settled()
        return wrong + ([f"what was cleared is back: {sheet.cell(0).shown}"] if sheet.cell(0).outputs else [])
    finally:
        desk.close()


def second_page_saves(browser: Browser, server: LabServer) -> Wrong:
    """A second page, which has not seen the output, saves the notebook after the cell ended; then all pages are closed."""
    desk = Desk(browser, server, [MARK, "text"])
    try:
        first, second = desk.open(), desk.open()
        first.run(0)
        desk.noted("end")
        first.until(lambda cells: cells[0].count == 1)
        second.save()
        for context in desk.contexts:
            context.close()
        desk.contexts.clear()
        return expect(desk.open(), 0, "shown once\n")
    finally:
        desk.close()


def clean(browser: Browser, server: LabServer) -> Wrong:
    """A notebook whose file has everything is not changed by opening it."""
    desk = Desk(browser, server, [MARK])
    try:
        sheet = desk.open()
        sheet.save()  # with the metadata that JupyterLab adds
        sheet.run(0)
        sheet.until(lambda cells: cells[0].count == 1)
        # By another program: no page says that it was saved
        found = sheet.cell(0)
        desk.rewrite(lambda content: content["cells"][0].update(outputs=found.outputs, execution_count=1))
        sheet.go()
        sheet.settled()
        return (["the notebook is shown as not saved"] if sheet.dirty else []) + expect(sheet, 0, "shown once\n")
    finally:
        desk.close()


ROWS = (
    Row("prompts", "input() and getpass answered after a reload", prompts),
    Row("interrupt", "interrupt after a reload", interrupt),
    Row("restart", "restart after a reload", restart),
    Row("second-browser", "a second browser after the first was closed", second_browser),
    Row("two-tabs", "a second tab while a cell runs", two_tabs),
    Row("two-prompts", "two tabs at one prompt", two_prompts),
    Row("outlives", "a cell that outlives resume_timeout", outlives, (f"{CLASS}.resume_timeout=1",)),
    Row("away", "a page without network for longer than resume_timeout", away, (f"{CLASS}.resume_timeout=1",)),
    Row("killed", "kernel killed while no page is open", killed),
    Row("cleared", "cleared and saved outputs", cleared),
    Row("cleared-later", "cleared and saved after a reload", cleared_after_reload),
    Row("second-saves", "a second page saves before it saw the output", second_page_saves),
    Row("clean", "nothing differs from the file", clean),
)
