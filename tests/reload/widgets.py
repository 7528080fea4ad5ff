"""Rows about widgets: after a reload they are shown and live, also while the kernel is busy, and their output is there once.

As `rows.py`. The stories look at what the page draws, not at its models: a widget whose model the page has twice is drawn, but
does not move. Cost: ten to twenty seconds each.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.browser.lab import KERNEL

from .page import NOTE, PATIENCE, RUNNING, Desk, Sheet
from .rows import Row, Wrong, expect

if TYPE_CHECKING:
    from collections.abc import Callable


READ = """() => {
  const texts = query => [...document.querySelectorAll(query)].map(node => node.textContent);
  return {
    loading: texts('.jp-OutputArea-output').filter(text => /Loading widget|Error displaying widget/.test(text)).length,
    sliders: texts('.widget-slider .widget-readout'),
    bars: texts('.jp-OutputArea .widget-hbox .widget-html').join(' '),
    captured: texts('.widget-output').join(''),
    plain: texts('.jp-Cell > .jp-Cell-outputWrapper > .jp-OutputArea > .jp-OutputArea-child > .jp-RenderedText').join(''),
  };
}"""
# Cells go on until the test has looked: then it writes this word into the file of notes
LOOKED = "looked"
BEGIN = NOTE + (
    "import itertools, time\nimport ipywidgets as widgets\nfrom IPython.display import display\n"
    f"def steps():\n    for number in itertools.count():\n        yield number\n        note(f'step {{number}}')\n"
    f"        if '{LOOKED}\\n' in open('TOKEN').readlines():\n            break\n        time.sleep(0.1)\n"
)
SLIDER = BEGIN + (
    "slider = widgets.IntSlider(max=10000)\nslider.observe(lambda change: note(f'moved {change.new}'), 'value')\n"
    "display(slider)\nfor number in steps():\n    slider.value = number\nslider.value = 100\nnote('end')"
)
TQDM = BEGIN + (
    "from tqdm.notebook import tqdm\nbar = tqdm(total=10000)\nfor number in steps():\n    bar.update(1)\n"
    "bar.update(10000 - bar.n)\nbar.close()\nnote('end')"
)
OUTPUT = BEGIN + (
    "out = widgets.Output()\ndisplay(out)\nprint('before', flush=True)\nfor number in steps():\n    with out:\n"
    "        print(f'<{number}>', flush=True)\nprint('after')\nnote('end')"
)
INTERACT = BEGIN + (
    "def double(number):\n    print(f'double is {2 * number}')\n"
    "widgets.interact(double, number=widgets.IntSlider(max=100))\nnote('shown')"
)
BUSY = "for number in steps():\n    pass\nnote('end')"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE = BEGIN + (
    f"import base64\ndisplay(widgets.Image(value=base64.b64decode('{PIXEL}'), width=40, height=40))\nnote('shown')"
)
LIVING = BEGIN + "slider = widgets.IntSlider(value=7)\ndisplay(slider)\nnote('shown')"
DRAWN = "() => [...document.querySelectorAll('img.widget-image')].filter(image => image.naturalWidth === 1).length"
# Resolves once the kernel has been silent for half a second: then ipywidgets has the states for which it asked at the reload
SILENT = f"""() => new Promise(resolve => {{
  const kernel = {KERNEL};
  let timer = 0;
  const wait = () => {{
    clearTimeout(timer);
    timer = setTimeout(() => {{ kernel.anyMessage.disconnect(wait); resolve(true); }}, 500);
  }};
  kernel.anyMessage.connect(wait);
  wait();
}})"""
# A person types the number of a slider: Notebook 7.6 takes the arrow keys for itself
NUMBER = ".widget-slider .widget-readout"


def look(sheet: Sheet) -> dict[str, Any]:
    """What the page draws of widgets."""
    found: dict[str, Any] = sheet.page.evaluate(READ)
    return found


def until(sheet: Sheet, seen: Callable[[dict[str, Any]], object], seconds: float = PATIENCE) -> bool:
    """Waits until `seen(look(sheet))` is true; returns whether it was."""
    deadline = time.monotonic() + seconds
    while not seen(look(sheet)):
        if time.monotonic() > deadline:
            return False
        sheet.page.wait_for_timeout(50)
    return True


def check(sheet: Sheet, otherwise: str, seen: Callable[[dict[str, Any]], object], seconds: float = PATIENCE) -> Wrong:
    """Nothing, if `seen(look(sheet))` becomes true; else what is wrong."""
    return [] if until(sheet, seen, seconds) else [f"{otherwise}: {str(look(sheet))[-200:]}"]


def last_number(desk: Desk) -> int:
    """The number of the last step that the cell noted."""
    words = (desk.server.home / desk.token).read_text(encoding="utf-8").split("\n")
    return max(int(word.split()[1]) for word in words if word.startswith("step "))


def looked(desk: Desk, sheet: Sheet) -> Wrong:
    """Lets the cell end. Returns what is wrong if the page did not show it as running."""
    wrong = [] if sheet.until(lambda cells: any(cell.prompt == RUNNING for cell in cells), 5) else ["no cell is shown as running"]
    with (desk.server.home / desk.token).open("a", encoding="utf-8") as file:
        file.write(f"{LOOKED}\n")
    return wrong


def quiet(sheet: Sheet) -> None:
    """Until the kernel is idle, and ipywidgets has asked it for all widgets."""
    sheet.calm()
    sheet.page.evaluate(SILENT)


def move(sheet: Sheet, value: int) -> None:
    """Moves the slider, as a person does."""
    sheet.page.click(NUMBER)
    for key in ("Control+A", *str(value), "Enter"):
        sheet.page.keyboard.press(key)


def beside(desk: Desk, before: Callable[[Sheet], object] = lambda _: None) -> Sheet:
    """The page after a reload while a second cell runs. The first cell shows widgets; `before` is called then."""
    sheet = desk.open()
    sheet.run(0)
    desk.noted("shown")
    before(sheet)
    sheet.run(1)
    desk.noted("step 1")
    sheet.go()
    return sheet


def slider(desk: Desk) -> Wrong:
    """The kernel moves a slider while the page is reloaded; then a person moves it."""
    sheet = desk.open()
    sheet.run(0)
    desk.noted("step 5")
    sheet.go()
    wrong = check(sheet, "no slider while the kernel is busy", lambda found: len(found["sliders"]) == 1)
    before = look(sheet)["sliders"]
    wrong += check(sheet, "it does not follow the kernel", lambda found: found["sliders"] != before)
    wrong += looked(desk, sheet)
    quiet(sheet)
    wrong += check(sheet, "not at 100", lambda found: found["sliders"] == ["100"])
    move(sheet, 101)
    desk.noted("moved 101", PATIENCE)
    sheet.run(1)
    sheet.until(lambda cells: cells[1].text == "101\n")
    return wrong + check(sheet, "not at 101", lambda found: found["sliders"] == ["101"])


def bar(desk: Desk) -> Wrong:
    """A bar of tqdm goes on in the reloaded page."""
    sheet = desk.open()
    sheet.run(0)
    desk.noted("step 5")
    sheet.go()
    wrong = check(sheet, "no bar while the kernel is busy", lambda found: "/10000" in found["bars"])
    before = look(sheet)["bars"]
    wrong += check(sheet, "it does not go on", lambda found: found["bars"] != before)
    wrong += looked(desk, sheet)
    return wrong + check(sheet, "not at its end", lambda found: found["bars"].count("10000/10000") == 1)


def output(desk: Desk) -> Wrong:
    """What an Output widget captures is in it, once, and not in the cell; also what it captured while no page was open."""
    sheet = desk.open()
    sheet.run(0)
    desk.noted("step 5")
    desk.contexts.pop().close()
    desk.noted("step 20")
    sheet = desk.open()
    wrong = check(sheet, "not what was captured while no page was open", lambda found: "<20>" in found["captured"])
    before = look(sheet)["captured"]
    wrong += check(sheet, "nothing more is captured", lambda found: found["captured"] != before)
    wrong += looked(desk, sheet)
    quiet(sheet)
    captured = "".join(f"<{number}>\n" for number in range(1 + last_number(desk)))
    for page in (sheet, desk.open()):
        wrong += check(page, "not all that was captured, once", lambda found: found["captured"] == captured)
        if not page.until(lambda cells: cells[0].text == "before\nafter\n", 5):
            wrong.append(f"the cell shows {page.cell(0).text!r}")
        quiet(page)
    return wrong


def interact(desk: Desk) -> Wrong:
    """`interact` is shown while another cell runs; afterwards it works, and shows its output once."""

    def shows(value: int) -> Callable[[dict[str, Any]], object]:
        return lambda found: (found["captured"], found["sliders"]) == (f"double is {2 * value}\n", [str(value)])

    def begin(sheet: Sheet) -> None:
        move(sheet, 1)
        until(sheet, shows(1))

    sheet = beside(desk, begin)
    wrong = check(sheet, "while the kernel is busy", shows(1))
    wrong += looked(desk, sheet)
    quiet(sheet)
    move(sheet, 2)
    return wrong + check(sheet, "after a move", shows(2))


def picture(desk: Desk) -> Wrong:
    """An image, whose bytes are a binary buffer."""
    sheet = beside(desk)
    wrong = check(sheet, "no image while the kernel is busy", lambda _: sheet.page.evaluate(DRAWN) == 1)
    return wrong + looked(desk, sheet)


def without_manager(desk: Desk) -> Wrong:
    """A page without ipywidgets is opened while the kernel has widgets: they live on. The server's pages must have no manager."""
    sheet = beside(desk)
    wrong = looked(desk, sheet)
    sheet.calm()
    sheet.run(2)
    return wrong + expect(sheet, 2, "True 7\n", 3)


WITHOUT_MANAGER = Row(
    "without-manager",
    "a page without ipywidgets",
    without_manager,
    (LIVING, BUSY, "print(slider.comm is not None, slider.value)"),
)
"""Not one of `ROWS`, because the server must be started without ipywidgets' extension."""
ROWS = (
    Row("slider", "a slider that the kernel moves", slider, (SLIDER, "print(slider.value)")),
    Row("bar", "a bar of tqdm.notebook", bar, (TQDM,)),
    Row("output", "an Output widget that captures", output, (OUTPUT,)),
    Row("interact", "interact beside a busy cell", interact, (INTERACT, BUSY)),
    Row("picture", "an image with a binary buffer", picture, (PICTURE, BUSY)),
)
