"""Rows about cells: moved out of sight, collapsed, deleted, edited, copied, of an old format; large outputs; cuts in a flood.

As `rows.py`. Cost: five to forty seconds each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.chaos.proxy import Proxy

from .page import GOES_ON, NOTE, PANEL, RUNNING
from .rows import AFTER, CLASS, SLOW, TEXT, Row, Wrong, expect

if TYPE_CHECKING:
    from .page import Desk

LIMIT = 100_000
EDIT = f"source => {{ {PANEL}.content.widgets[0].model.sharedModel.setSource(source); }}"
# With pauses: ipykernel drops messages while a thousand of them wait in its own queue (SNDHWM)
MANY = NOTE + (
    "import time\nfor number in range(3000):\n    display({'text/plain': f'output {number}'}, raw=True)\n"
    "    if number % 300 == 0: time.sleep(0.1)\nnote('end')"
)
IMAGES = (
    NOTE + "import base64, random\nfor number in range(10):\n"
    "    image = base64.b64encode(random.Random(number).randbytes(375_000)).decode()\n"
    "    display({'image/png': image, 'text/plain': str(number)}, raw=True)\nnote('end')"
)
# The pages of JupyterLab 4.0 and Notebook 7.0 cannot keep up with a hundred lines a second once there are thousands
FLOOD = NOTE + (
    f"import time\nnumber = 0\nwhile {GOES_ON}:\n"
    "    print(f'#{number:07d}#', flush=True)\n    number += 1\n    time.sleep(0.05)\nnote(str(number))\nnote('end')"
)
WORDY = NOTE + "for number in range(10_000):\n    print('x' * 99)\nnote('end')"
# Bytes of output are counted as in JSON, where a line break has two
PRINTED = 10_000 * (99 + 2)
SIXTY = (*(f"print('cell {number}')" for number in range(59)), NOTE + "print('cell 59')\nnote('end')")
# The greatest loss of height from one frame to the next, in pixels. Of the content: Notebook 7 itself makes the box of a long
# output smaller, and scrolls it
WATCH = f"""() => {{
  const node = {PANEL}.content.widgets[0].node.querySelector('.jp-OutputArea');
  window.shrunk = 0;
  let height = 0;
  const look = () => {{
    const now = node.scrollHeight;
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


def small_window(desk: Desk) -> Wrong:
    """Sixty cells in a window that shows a few of them."""
    sheet = desk.open(viewport={"width": 800, "height": 400})
    sheet.run_all()
    desk.noted("end")
    sheet.go()
    sheet.until(lambda cells: all(cell.count for cell in cells))
    wrong = [
        f"cell {number}: {cell.shown}"
        for number, cell in enumerate(sheet.cells())
        if (cell.text, cell.count) != (f"cell {number}\n", number + 1)
    ]
    return wrong and [f"{len(wrong)} of 60 cells are wrong", wrong[0]]


def old_format(desk: Desk) -> Wrong:
    """nbformat 4.4 has no cell ids, so each page has its own."""

    def older(content: dict[str, object]) -> None:
        content["nbformat_minor"] = 4
        for cell in content["cells"]:  # type: ignore[attr-defined] # JSON
            del cell["id"]

    desk.rewrite(older)
    sheet = desk.reloaded()
    return expect(sheet, 0, TEXT) + expect(sheet, 1, "", None)


def copied(desk: Desk) -> Wrong:
    """A copy of the notebook with another source in its first cell uses the same kernel: it shows nothing of the original."""
    sheet = desk.begin()
    name = desk.copy()
    desk.rewrite(lambda content: content["cells"][0].update(source="print('another')"), name)
    session = {"path": name, "name": name, "type": "notebook", "kernel": {"id": sheet.kernel_id}}
    desk.server.request("POST", "/api/sessions", session)
    copy = desk.open(name)
    copy.settled()
    desk.noted("end")
    wrong = [f"the copy shows {copy.cell(0).shown}"] if copy.cell(0).outputs or copy.cell(0).prompt == RUNNING else []
    return wrong + expect(sheet, 0, TEXT)


def collapsed(desk: Desk) -> Wrong:
    """The output is hidden, and stays hidden; a cell that was deleted meanwhile does not come back."""
    desk.rewrite(lambda content: content["cells"][0].update(metadata={"jupyter": {"outputs_hidden": True}}))
    sheet = desk.open()
    for number in (0, 1, 2):
        sheet.run(number)
    # Only then all three requests have left the page
    sheet.until(lambda cells: cells[0].text and all(cell.prompt == RUNNING for cell in cells))
    desk.rewrite(lambda content: content["cells"].pop(1))
    sheet.go()
    wrong = expect(sheet, 0, TEXT) + expect(sheet, 1, "after\n", 3)
    return wrong + ([f"there are {len(sheet.cells())} cells"] if len(sheet.cells()) != 2 else [])


def edited(desk: Desk) -> Wrong:
    """The cell is edited and saved while it runs: its output is still that of the run, and the edit stays."""
    sheet = desk.begin()
    sheet.page.evaluate(EDIT, "print('edited')")
    sheet.save()
    sheet.go()
    wrong = expect(sheet, 0, TEXT)
    return wrong + ([] if sheet.cell(0).source == "print('edited')" else ["the edit is lost"])


def comes_back(desk: Desk, count: int, limit: float) -> Wrong:
    """So many outputs are back, at most so many milliseconds after the kernel was connected."""
    sheet = desk.begin("end")
    sheet.go(wait=False)
    milliseconds = float(sheet.page.evaluate(TIMED, count))
    if milliseconds < 0:
        return [f"{len(sheet.cell(0).outputs)} of {count} outputs are back"]
    return [f"they came {milliseconds:.0f} ms after the kernel was connected"] if milliseconds > limit else []


def many(desk: Desk) -> Wrong:
    """3,000 small outputs. JupyterLab makes a widget for each, so they have a millisecond each."""
    return comes_back(desk, 3000, 3000)


def images(desk: Desk) -> Wrong:
    """Ten images, which make 5 MB, at 300 ms a MB."""
    return comes_back(desk, 10, 1500)


def over_limit(desk: Desk) -> Wrong:
    """A cell prints more than `executions_text_limit`: the notice says exactly how much is left out."""
    sheet = desk.reloaded("end")
    sheet.until(lambda cells: cells[0].count == 1)
    text = sheet.cell(0).text
    notice = re.search(r"with (\d+) bytes of output were left out", text)
    if notice is None:
        return ["no notice is shown"]
    rest = re.sub(r"\n?\[[^\[\]]*were left out[^\[\]]*\]\n?", "", text)
    kept = len(rest) + rest.count("\n")
    if kept + int(notice[1]) != PRINTED:
        return [f"{kept} bytes are shown and {notice[1]} said to be left out, of {PRINTED}"]
    return [] if kept <= LIMIT + 1000 else [f"{kept} bytes are kept"]


def cuts(desk: Desk, count: int = 100) -> Wrong:
    """The network is cut at random moments in a flood: nothing twice, nothing missing, and the output never shrinks."""
    with Proxy(desk.server.address.port) as proxy:
        sheet = desk.open(port=proxy.port)
        sheet.page.evaluate(WATCH)
        sheet.run(0)
        for _ in range(count):
            sheet.page.wait_for_timeout(desk.rng.uniform(0, 500))
            sheet.connected()
            proxy.reset()
        desk.stop()
        desk.noted("end")
        printed = int(desk.notes()[0])
        sheet.until(lambda cells: cells[0].count == 1, 60)
        numbers = [int(found) for found in re.findall(r"#(\d+)#", sheet.cell(0).text)]
        missing, twice = printed - len(set(numbers)), len(numbers) - len(set(numbers))
        shrunk = float(sheet.page.evaluate("window.shrunk"))
        wrong = [f"{missing} of {printed} lines missing, {twice} twice"] if missing or twice else []
        return wrong + ([f"the output became {shrunk:.0f} pixels smaller"] if shrunk > 1 else [])


ROWS = (
    Row("small-window", "60 cells in a small window", small_window, SIXTY),
    Row("old-format", "a notebook below nbformat 4.5", old_format, (SLOW, "print('other')")),
    Row("copied", "a copied notebook on the same kernel", copied, (SLOW,)),
    Row("collapsed", "collapsed and deleted cells", collapsed, (SLOW, "print('deleted')", AFTER)),
    Row("edited", "a cell edited while it runs", edited, (SLOW,)),
    Row("many", "3,000 outputs", many, (MANY,)),
    Row("images", "5 MB of images", images, (IMAGES,)),
    Row("over-limit", "more text than is kept", over_limit, (WORDY,), (f"{CLASS}.executions_text_limit={LIMIT}",)),
    Row("cuts", "100 cuts in a flood", cuts, (FLOOD,)),
)
