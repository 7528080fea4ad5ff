"""One accident in one notebook: the tabs, the network, the clock, and what the user has seen at the end.

Opens a notebook behind a proxy, causes the accident, runs another cell, and reads what the user sees. Must not know a particular
accident, or let an error end the table: whatever goes wrong is part of the result. The cell writes its progress to a file beside
the notebook, so the harness knows what it has printed even while the page's network is cut. A second client could tell that too,
but its presence changes what the stock class does. Cost: three seconds to open a tab, then the accident's time, up to its limit.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import Error as PageError

from tests.browser.lab import READY, Notebook
from tools.chaos.proxy import Proxy
from tools.chaos.server import kernel_process

from .seen import READ, RECORD, RUNNING, SUBSCRIBE, Seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from playwright.sync_api import Browser, Page

    from tests.browser.lab import LabServer

LIMIT = 60.0
"""Seconds from the first cell until the user gives up, unless the accident says otherwise."""
PATIENCE = 10.0
"""Seconds that a user waits for something that has happened in the kernel to be shown."""
TOKEN = "TOKEN"
"""What stands in a cell's source for the name of this run's progress file."""
PROBE = "print('still', 'usable')"
SHOWN = "still usable"
CELL = "window.jupyterapp.shell.currentWidget.content.widgets"
SELECT_AND_RUN = """number => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = number;
  window.jupyterapp.commands.execute('notebook:run-cell');
  return true;
}"""
COMMAND = "name => { window.jupyterapp.commands.execute(name); return true; }"
PROMPT = f"number => {CELL}[number].node.querySelector('.jp-InputPrompt')?.textContent"
DONE = f"number => ({PROMPT})(number) !== '{RUNNING}'"
TEXT_SHOWN = f"([number, text]) => {CELL}[number].node.querySelector('.jp-OutputArea')?.textContent.includes(text)"
STATUS_SEEN = "([since, pattern]) => window.seen.statuses.slice(since).some(status => status.match(pattern))"
CONNECTED = "count => window.seen.connections.filter(status => status === 'connected').length >= count"
# JupyterLab opens the next dialog some frames after the last one was closed.
DIALOGS_OVER = """() => {
  const now = performance.now(), count = window.seen.dialogs.length;
  if (window.seen.dialogCount !== count) [window.seen.dialogCount, window.seen.dialogAt] = [count, now];
  return now - window.seen.dialogAt > 700;
}"""


@dataclass(frozen=True)
class Accident:
    """One row of the table."""

    name: str
    title: str
    happen: Callable[[Stage], None]
    """Makes it happen and waits for its end."""
    cells: tuple[str, ...] = ()
    lines: tuple[range, ...] = ()
    """The numbered lines that each cell should show."""
    kernel: str = "python3"
    ready: bool = True
    """Whether the notebook is opened with an idle kernel."""
    options: tuple[str, ...] = ()
    """Of the server, whatever its class."""
    ours: tuple[str, ...] = ()
    """Of the server with kernelws."""
    config: str = ""
    """Python code that runs in the server as it starts."""
    limit: float = LIMIT
    """Seconds from the first cell until the user gives up."""
    disk: int = 0
    """Megabytes of a disk of its own where messages wait; 0: that of the machine."""


class Tab(Notebook):
    """A browser tab in an accident. Every wait ends at the latest when the accident's time is over."""

    def __init__(self, stage: Stage, page: Page, ready: bool) -> None:
        self.stage = stage
        self.ran: set[int] = set()
        self.errors: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        super().__init__(page, stage.server, stage.name, stage.proxy.port, ready=ready)
        self.until(SUBSCRIBE)

    def until(self, script: str, arg: Any = None, seconds: float = math.inf) -> Any:
        """The first result of `script` that is true. Raises playwright's error after `seconds`."""
        limit = max(0.1, min(seconds, self.stage.left()))
        return self.page.wait_for_function(script, arg=arg, timeout=1e3 * limit).json_value()

    def ready(self, seconds: float = math.inf) -> None:
        """Until the page shows the kernel as idle and connected."""
        self.until(READY, seconds=seconds)

    def run(self, number: int) -> None:
        """Run one cell; does not wait for it."""
        self.ran.add(number)
        self.until(SELECT_AND_RUN, number)

    def command(self, name: str) -> None:
        """Runs a command as its menu entry does. A dialog that it opens is answered with its default button."""
        self.until(COMMAND, name)

    def running(self, number: int) -> None:
        """Waits until the cell's prompt is `[*]` and the kernel is busy."""
        self.until(f"number => !({DONE})(number) && !({READY})", number)

    def line(self, number: int, line: int) -> None:
        """Waits until a cell shows this numbered line."""
        self.until(TEXT_SHOWN, [number, f"#{line:07d}#"])

    def done(self, number: int, seconds: float = PATIENCE) -> None:
        """Waits until a cell is no longer `[*]`, or for `seconds`: a cell that stays `[*]` is counted at the end."""
        with contextlib.suppress(PageError):
            self.until(DONE, number, seconds)

    def status(self, pattern: str, since: int = 0, seconds: float = PATIENCE) -> None:
        """Waits until the page has shown a status that matches, or for `seconds`."""
        with contextlib.suppress(PageError):
            self.until(STATUS_SEEN, [since, pattern], seconds)

    def connected(self, times: int) -> None:
        """Waits until the page has reconnected so many times."""
        self.until(CONNECTED, times)

    def try_probe(self) -> None:
        """Waits until the kernel is idle, or for `PATIENCE`; then runs the last cell and waits for its output."""
        with contextlib.suppress(PageError):
            self.ready(PATIENCE)
        number = len(self.stage.accident.cells)
        self.run(number)
        self.until(TEXT_SHOWN, [number, SHOWN])
        self.done(number)


class Stage:
    """A context manager: opens the notebook, closes the tabs and ends the kernels."""

    def __init__(self, browser: Browser, server: LabServer, accident: Accident) -> None:
        self.server, self.accident = server, accident
        self.token = uuid.uuid4().hex[:8]
        self.began = self.fault_ended = time.monotonic()
        self.tabs: list[Tab] = []
        self.proxy = Proxy(server.address.port)
        self._browser = browser
        self.name = server.write_notebook([self._source(cell) for cell in (*accident.cells, PROBE)], accident.kernel)

    def __enter__(self) -> Self:
        self.proxy.__enter__()
        self.context = self._browser.new_context()
        self.context.add_init_script(RECORD)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(PageError):
            self.context.close()
        self.proxy.__exit__()
        for kernel_id in self.server.kernels():
            self.server.end_kernel(kernel_id)

    def _source(self, cell: str) -> str:
        return cell.replace(TOKEN, self.token)

    @property
    def tab(self) -> Tab:
        """The first tab."""
        return self.tabs[0]

    def open_tab(self, ready: bool = True) -> Tab:
        """One more tab with the notebook."""
        self.tabs.append(Tab(self, self.context.new_page(), ready))
        return self.tabs[-1]

    def close_tab(self, number: int) -> None:
        """Closes a tab; what it shows is not counted."""
        self.tabs.pop(number).page.close()

    def left(self) -> float:
        """Seconds until this accident has taken too long."""
        return self.began + self.accident.limit - time.monotonic()

    def over(self) -> None:
        """Notes that the fault has ended, or cannot be undone: the measured time begins."""
        self.fault_ended = time.monotonic()

    def last(self, seconds: float) -> None:
        """Waits while the fault lasts."""
        time.sleep(seconds)

    def process(self, other_than: int = 0) -> int:
        """The kernel's process; with `other_than`, the next one."""
        return kernel_process(self.kernel_id, other_than)

    @property
    def kernel_id(self) -> str:
        """The only kernel of this server."""
        kernels = self.server.kernels()
        if len(kernels) != 1:
            raise RuntimeError(f"one kernel was expected, not {len(kernels)}")
        return kernels[0]

    def printed(self, lines: int) -> None:
        """Waits until the cell has printed so many lines, whether or not the page shows them."""
        file = self.server.home / self.token
        while not file.exists() or file.stat().st_size < lines:
            if self.left() < 0:
                raise TimeoutError(f"the cell did not print {lines} lines")
            time.sleep(0.02)


def perform(browser: Browser, server: LabServer, accident: Accident) -> Seen:
    """One run of an accident. If the page or the server fails, it does not raise but counts the notebook as unusable."""
    seen = Seen()
    with Stage(browser, server, accident) as stage:
        try:
            _happen(stage)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are still of use
            seen.unusable = 1
            seen.notes.append(f"gave up: {_first_line(error)}")
        seen.seconds = time.monotonic() - stage.fault_ended
        _look(stage, seen)
    return seen


def _happen(stage: Stage) -> None:
    stage.open_tab(ready=stage.accident.ready)
    stage.began = stage.fault_ended = time.monotonic()
    stage.accident.happen(stage)
    for tab in stage.tabs:
        tab.try_probe()


def _look(stage: Stage, seen: Seen) -> None:
    stage.began = time.monotonic()
    for tab in stage.tabs:
        try:
            with contextlib.suppress(PageError):  # dialogs may go on opening
                tab.until(DIALOGS_OVER, seconds=PATIENCE)
            page = tab.until(READ, seconds=PATIENCE)
        except PageError as error:
            seen.unusable = 1
            seen.notes.append(f"cannot be looked at: {_first_line(error)}")
            continue
        seen.add_page(page, tab.ran)
        if seen.unusable:
            seen.notes.append(
                f"states: {page['statuses'][-8:]}, connections: {page['connections'][-4:]}, cells: {page['cells']}"[:600]
            )
        seen.add_errors(tab.errors)
        for number, expected in enumerate(stage.accident.lines):
            if number in tab.ran:
                seen.add_lines(page["cells"][number]["text"], expected)


def _first_line(error: Exception) -> str:
    """Playwright appends its log to the text of its errors."""
    return repr(error).split("\\n", 1)[0]
