"""One notebook in a page that is reloaded, closed and opened again, and what the page shows and saves.

Uses the page as a person does. Must not read the server's state: what has happened in the kernel is known from a file that the
cells write. Waits end after `PATIENCE`, because with stock most of what is waited for never comes.
Cost: two to four seconds each time the page is opened.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import TimeoutError as PageTimeout

from tests.browser.lab import KERNEL, Notebook

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.browser.lab import LabServer

PATIENCE = 20.0
"""Seconds that the page has to show something. After that it counts as missing."""
KERNEL_SECONDS = 120.0
"""Seconds that cells may run."""
TOKEN = "TOKEN"
"""A placeholder in sources for the name of the file in which cells note what they have done."""
NOTE = f'def note(word):\n    with open("{TOKEN}", "a") as file:\n        file.write(word + "\\n")\n'
GOES_ON = f'not __import__("pathlib").Path("{TOKEN}.stop").exists()'
"""A condition in sources, which holds until the desk says `stop`."""
PANEL = "window.jupyterapp?.shell?.currentWidget"
CELLS = f"{PANEL}?.content?.widgets"
CONNECTED = f"{CELLS}?.length && {PANEL}.context.isReady && {KERNEL}?.connectionStatus === 'connected'"
READ = f"""() => {CELLS}.map(({{model, node}}) => ({{
  id: model.id,
  source: model.sharedModel.getSource(),
  count: model.executionCount,
  prompt: node.querySelector('.jp-InputPrompt')?.textContent ?? '',
  outputs: model.outputs?.toJSON() ?? [],
  boxes: node.querySelectorAll('.jp-Stdin').length,
}}))"""
COMMAND = "async name => { await window.jupyterapp.commands.execute(name); }"
RUN_CELL = """async number => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = number;
  void window.jupyterapp.commands.execute('notebook:run-cell');
}"""
SAVE = f"async () => {{ await {PANEL}.context.save(); }}"
CLEAN = f"() => !{PANEL}.context.model.dirty"
RUNNING = "[*]:"


class Cell:
    """What one cell shows."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.id, self.source, self.prompt = found["id"], found["source"], found["prompt"]
        self.count, self.boxes = found["count"], found["boxes"]
        self.outputs: list[dict[str, Any]] = found["outputs"]

    @property
    def text(self) -> str:
        """What it has printed."""
        return "".join(text_of(one) for one in self.outputs if one["output_type"] == "stream")

    @property
    def shown(self) -> str:
        """Prompt and text, for a report."""
        return f"{self.prompt} {self.text[-60:]!r}"


def text_of(output: dict[str, Any]) -> str:
    """The text of a stream."""
    text = output["text"]
    return "".join(text) if isinstance(text, list) else str(text)


class Desk:
    """A person's notebook on a server: its file, and the pages that show it. A context manager; the end closes the pages."""

    def __init__(self, browser: Browser, server: LabServer, sources: Sequence[str], rng: random.Random) -> None:
        self.browser, self.server, self.rng = browser, server, rng
        self.token = f"{uuid.uuid4().hex[:8]}.notes"
        self.name = server.write_notebook([source.replace(TOKEN, self.token) for source in sources])
        self.contexts: list[BrowserContext] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the kernels too."""
        self.leave()
        for kernel_id in self.server.kernels():
            self.server.end_kernel(kernel_id)

    @property
    def file(self) -> Path:
        """The notebook on disk."""
        return self.server.home / self.name

    def content(self) -> Any:
        """What is in the file."""
        return json.loads(self.file.read_text(encoding="utf-8"))

    def rewrite(self, change: Callable[[Any], object], name: str = "") -> None:
        """Changes the file as another program does; ``name`` is that of a copy."""
        file = self.server.home / (name or self.name)
        content = json.loads(file.read_text(encoding="utf-8"))
        change(content)
        file.write_text(json.dumps(content), encoding="utf-8")

    def copy(self) -> str:
        """A copy of the file; returns its name."""
        name = f"copy-{self.name}"
        (self.server.home / name).write_bytes(self.file.read_bytes())
        return name

    def open(self, name: str = "", port: int = 0, **viewport: Any) -> Sheet:
        """Opens the notebook in a browser of its own."""
        context = self.browser.new_context(**viewport)
        self.contexts.append(context)
        return Sheet(self, context.new_page(), name or self.name, port)

    def begin(self, word: str = "", port: int = 0) -> Sheet:
        """Opens the notebook and runs its first cell, until that has noted the word, or else until output is shown."""
        sheet = self.open(port=port)
        sheet.run(0)
        if word:
            self.noted(word)
        else:
            sheet.until(lambda cells: bool(cells[0].text))
        return sheet

    def reloaded(self, word: str = "") -> Sheet:
        """The same, and reloads the page then."""
        sheet = self.begin(word)
        sheet.go()
        return sheet

    def leave(self) -> None:
        """Closes all pages."""
        while self.contexts:
            self.contexts.pop().close()

    def notes(self) -> list[str]:
        """What cells have noted."""
        file = self.server.home / self.token
        return file.read_text().splitlines() if file.exists() else []

    def noted(self, word: str, seconds: float = KERNEL_SECONDS) -> None:
        """Waits until a cell has noted a word. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while word not in self.notes():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no cell has noted {word}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends a cell that runs until told so: see `GOES_ON`."""
        (self.server.home / f"{self.token}.stop").touch()


class Sheet(Notebook):
    """One page with the notebook."""

    def __init__(self, desk: Desk, page: Page, name: str, port: int = 0) -> None:
        self.desk = desk
        self.errors: list[str] = []
        page.on("dialog", lambda dialog: dialog.accept())
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        super().__init__(page, desk.server, name, port, ready=False)
        self._address = page.url
        self.connected()

    def go(self, *, wait: bool = True) -> None:
        """Reloads. With `wait` False, returns as soon as the old page is gone."""
        self.page.goto(self._address, wait_until="load" if wait else "commit")
        if wait:
            self.connected()

    def connected(self) -> None:
        """Until the page is connected to the kernel, which may be busy."""
        self.page.wait_for_function(CONNECTED)

    def cells(self) -> list[Cell]:
        """All cells as the page has them."""
        return [Cell(found) for found in self.page.evaluate(READ)]

    def cell(self, number: int) -> Cell:
        """One of them."""
        return self.cells()[number]

    def until(self, seen: Any, seconds: float = PATIENCE) -> bool:
        """Waits until `seen(cells)` is true; returns whether it was."""
        deadline = time.monotonic() + seconds
        while not seen(self.cells()):
            if time.monotonic() > deadline:
                return False
            self.page.wait_for_timeout(50)
        return True

    def run(self, number: int) -> None:
        """Runs one cell, without waiting for it."""
        self.page.evaluate(RUN_CELL, number)

    def command(self, name: str) -> None:
        """Calls a command and waits for its end."""
        self.page.evaluate(COMMAND, name)

    def calm(self, seconds: float = PATIENCE) -> bool:
        """Waits until the kernel is idle and no cell is busy; returns whether that came."""
        try:
            self.page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=1000 * seconds)
        except PageTimeout:
            return False
        return self.until(lambda cells: all(cell.prompt != RUNNING for cell in cells), seconds)

    def save(self) -> None:
        """Saves the notebook, and lets the page end what it does then: its requests."""
        self.page.evaluate(SAVE)
        self.settled()

    def settled(self) -> None:
        """Until the page has asked for nothing for half a second."""
        self.page.wait_for_load_state("networkidle")

    def stays_dirty(self, seconds: float = PATIENCE) -> bool:
        """Whether the page still shows after so long that something is not saved."""
        try:
            self.page.wait_for_function(CLEAN, timeout=1000 * seconds)
        except PageTimeout:
            return True
        return False

    def answer(self, text: str, *, secret: bool = False, seconds: float = 10.0) -> bool:
        """Types into the input box of a prompt; returns whether there was one. ``secret``: it is that of a password."""
        box = ".jp-Stdin input[type=password]" if secret else ".jp-Stdin input:not([type=password])"
        try:
            self.page.fill(box, text, timeout=1000 * seconds)
        except PageTimeout:
            return False
        self.page.press(box, "Enter")
        return True
