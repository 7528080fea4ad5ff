"""Rows about cells: moved out of sight, collapsed, deleted, edited, copied, of an old format; large outputs; cuts in a flood.

As `rows.py`. Cost: five to forty seconds each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.chaos.proxy import Proxy

from .page import NOTE, PANEL, RUNNING, Desk
from .rows import CLASS, SLOW, TEXT, Row, Wrong, expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.lab import LabServer

CUTS = 20
FLOOD_LINES = 2000
LIMIT = 100_000
EDIT = f"source => {{ {PANEL}.content.widgets[0].model.sharedModel.setSource(source); }}"
MANY = NOTE + "for number in range(3000):\n    display({'text/plain': f'output {number}'}, raw=True)\nnote('end')"
IMAGES = (
    NOTE + "import base64, random\nfor number in range(10):\n"
    "    image = base64.b64encode(random.Random(number).randbytes(375_000)).decode()\n"
    "    display({'image/png': image, 'text/plain': str(number)}, raw=True)\nnote('end')"
)
FLOOD = NOTE + (
    f"import time\nfor number in range({FLOOD_LINES}):\n"
    "    print(f'#{number:07d}#', flush=True)\n    time.sleep(0.005)\nnote('end')"
)
# The greatest loss of height from one frame to the next, in pixels
WATCH = f"""() => {{
  const node = {PANEL}.content.widgets[0].node.querySelector('.jp-OutputArea');
  window.shrunk = 0;
  let height = 0;
  const look = () => {{
    const now = node.getBoundingClientRect().height;
    window.shrunk = Math.max(window.shrunk, height - now);
    height = now;
    requestAnimationFrame(look);
  }};
  look();
}}"""
# Milliseconds from the connection to the kernel until the first cell has so many outputs and a count
TIMED = f"""count => new Promise(resolve => {{
  let begun = 0;
  const look = () => {{
    const panel = {PANEL};
    if (!begun && panel?.sessionContext?.session?.kernel?.connectionStatus === 'connected') begun = performance.now();
    const model = panel?.content?.widgets[0]?.model;
    if (begun && model?.outputs?.length === count && model.executionCount !== null) resolve(performance.now() - begun);
    else if (begun && performance.now() - begun > 30000) resolve(-1);
    else requestAnimationFrame(look);
  }};
  look();
}})"""


def small_window(browser: Browser, server: LabServer) -> Wrong:
    """Sixty cells in a window that shows a few of them."""
    desk = Desk(browser, server, [*(f"print('cell {number}')" for number in range(59)), NOTE + "print('cell 59')\nnote('end')"])
    try:
        sheet = desk.open(viewport={"width": 800, "height": 400})
        sheet.page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        desk.noted("end")
        sheet.go()
        sheet.until(lambda cells: all(cell.count for cell in cells))
        wrong = [
            f"cell {number}: {cell.shown}"
            for number, cell in enumerate(sheet.cells())
            if (cell.text, cell.count) != (f"cell {number}\n", number + 1)
        ]
        return wrong and [f"{len(wrong)} of 60 cells are wrong", wrong[0]]
    finally:
        desk.close()


def old_format(browser: Browser, server: LabServer) -> Wrong:
    """nbformat 4.4 has no cell ids, so each page has its own."""
    desk = Desk(browser, server, [SLOW, "print('other')"])

    def older(content: dict[str, object]) -> None:
        content["nbformat_minor"] = 4
        for cell in content["cells"]:  # type: ignore[attr-defined] # JSON
            del cell["id"]

    desk.rewrite(older)
    try:
        sheet = desk.open()
        sheet.run(0)
        sheet.until(lambda cells: bool(cells[0].text))
        sheet.go()
        return expect(sheet, 0, TEXT) + expect(sheet, 1, "", None)
    finally:
        desk.close()


def copied(browser: Browser, server: LabServer) -> Wrong:
    """A copy of the notebook with another source in its first cell uses the same kernel: it shows nothing of the original."""
    desk = Desk(browser, server, [SLOW])
    try:
        sheet = desk.open()
        sheet.run(0)
        kernel_id = sheet.kernel_id
        name = desk.copy()
        desk.rewrite(lambda content: content["cells"][0].update(source="print('another')"), name)
        server.request("POST", "/api/sessions", {"path": name, "name": name, "type": "notebook", "kernel": {"id": kernel_id}})
        copy = desk.open(name)
        copy.settled()
        desk.noted("end")
        wrong = [f"the copy shows {copy.cell(0).shown}"] if copy.cell(0).outputs or copy.cell(0).prompt == RUNNING else []
        return wrong + expect(sheet, 0, TEXT)
    finally:
        desk.close()


def collapsed(browser: Browser, server: LabServer) -> Wrong:
    """The output is hidden, and stays hidden; a cell that was deleted meanwhile does not come back."""
    desk = Desk(
        browser, server, [SLOW, "print('deleted')", "print('after')"], _0={"metadata": {"jupyter": {"outputs_hidden": True}}}
    )
    try:
        sheet = desk.open()
        for number in (0, 1, 2):
            sheet.run(number)
        desk.rewrite(lambda content: content["cells"].pop(1))
        sheet.go()
        wrong = expect(sheet, 0, TEXT) + expect(sheet, 1, "after\n", 3)
        return wrong + ([f"there are {len(sheet.cells())} cells"] if len(sheet.cells()) != 2 else [])
    finally:
        desk.close()


def edited(browser: Browser, server: LabServer) -> Wrong:
    """The cell is edited and saved while it runs: its output is still that of the run, and the edit stays."""
    desk = Desk(browser, server, [SLOW])
    try:
        sheet = desk.open()
        sheet.run(0)
        sheet.until(lambda cells: bool(cells[0].text))
        sheet.page.evaluate(EDIT, "print('edited')")
        sheet.save()
        sheet.go()
        wrong = expect(sheet, 0, TEXT)
        return wrong + ([] if sheet.cell(0).source == "print('edited')" else ["the edit is lost"])
    finally:
        desk.close()


def large(browser: Browser, server: LabServer) -> Wrong:
    """3,000 outputs, then 5 MB of images: all are back, within 300 ms a MB, or a second if that is longer."""
    wrong: Wrong = []
    for source, count, limit in ((MANY, 3000, 3000.0), (IMAGES, 10, 1500.0)):
        desk = Desk(browser, server, [source])
        try:
            sheet = desk.open()
            sheet.run(0)
            desk.noted("end")
            sheet.go(wait=False)
            milliseconds = float(sheet.page.evaluate(TIMED, count))
            if milliseconds < 0:
                wrong.append(f"{len(sheet.cell(0).outputs)} of {count} outputs are back")
            elif milliseconds > limit:
                wrong.append(f"{count} outputs came back {milliseconds:.0f} ms after the kernel was connected")
        finally:
            desk.close()
    return wrong


def over_limit(browser: Browser, server: LabServer) -> Wrong:
    """A cell prints more than `executions_text_limit`: the notice says exactly how much is left out."""
    line, count = "x" * 99, 10_000
    desk = Desk(browser, server, [NOTE + f"for number in range({count}):\n    print('x' * 99)\nnote('end')"])
    try:
        sheet = desk.open()
        sheet.run(0)
        desk.noted("end")
        sheet.go()
        sheet.until(lambda cells: cells[0].count == 1)
        text = sheet.cell(0).text
        notice = re.search(r"with (\d+) bytes of output were left out", text)
        if notice is None:
            return ["no notice is shown"]
        # Bytes of output are counted as in JSON, where a line break has two
        rest = re.sub(r"\n?\[[^\[\]]*were left out[^\[\]]*\]\n?", "", text)
        kept = len(rest) + rest.count("\n")
        if kept + int(notice[1]) != count * (len(line) + 2):
            return [f"{kept} bytes are shown and {notice[1]} said to be left out, of {count * (len(line) + 2)}"]
        return [] if kept <= LIMIT + 1000 else [f"{kept} bytes are kept"]
    finally:
        desk.close()


def cuts(browser: Browser, server: LabServer) -> Wrong:
    """The network is cut many times in a flood: nothing twice, nothing missing, and the output never shrinks."""
    desk = Desk(browser, server, [FLOOD])
    with Proxy(server.address.port) as proxy:
        try:
            sheet = desk.open(port=proxy.port)
            sheet.page.evaluate(WATCH)
            sheet.run(0)
            for _ in range(CUTS):
                sheet.page.wait_for_timeout(300)
                proxy.reset()
            desk.noted("end")
            sheet.until(lambda cells: cells[0].count == 1, 60)
            numbers = [int(found) for found in re.findall(r"#(\d+)#", sheet.cell(0).text)]
            missing, twice = FLOOD_LINES - len(set(numbers)), len(numbers) - len(set(numbers))
            shrunk = float(sheet.page.evaluate("window.shrunk"))
            wrong = [f"{missing} lines missing, {twice} twice"] if missing or twice else []
            return wrong + ([f"the output became {shrunk:.0f} pixels smaller"] if shrunk > 1 else [])
        finally:
            desk.close()


ROWS = (
    Row("small-window", "60 cells in a small window", small_window),
    Row("old-format", "a notebook below nbformat 4.5", old_format),
    Row("copied", "a copied notebook on the same kernel", copied),
    Row("collapsed", "collapsed and deleted cells", collapsed),
    Row("edited", "a cell edited while it runs", edited),
    Row("large", "3,000 outputs; 5 MB of images", large),
    Row("over-limit", "more text than is kept", over_limit, (f"{CLASS}.executions_text_limit={LIMIT}",)),
    Row("cuts", f"{CUTS} cuts in a flood", cuts),
)
