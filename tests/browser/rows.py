"""What a person waits for in JupyterLab: from the click to the last line, stock and kernelws in one run.

Runs each notebook in a new tab with a new, warmed-up kernel, and measures the time in the page. Must not assert a time; the
table prints it beside its target. Repeats alternate between the classes, so that a change in the machine's load affects both.
Cost: half a minute a repeat with stock, ten seconds with kernelws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelws.cli.bench.rows import Row
from tools.bench.targets import NOT_DEARER, at_most

from .lab import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

    from .lab import LabServer

PRINTS = """\
for number in range({count}):
    print(f"line {{number:06d}} ".ljust(70, "x"), flush=True)
print("the end")"""
UPDATES = """\
from IPython.display import display
handle = display({{"text/plain": "update 0"}}, raw=True, display_id=True)
for number in range({count} + 1):
    handle.update({{"text/plain": f"update {{number}}"}}, raw=True)"""


@dataclass(frozen=True)
class Scene:
    """One row: the cells for a count, the text that must be shown last, and how they are run."""

    row: Row
    count: int
    quick_count: int
    sources: Callable[[int], list[str]]
    last: Callable[[int], str]
    run: Callable[[Notebook], None]

    def measure(self, browser: Browser, server: LabServer, quick: bool) -> float:
        """Seconds from the click to the last text shown, in a tab and a kernel of its own."""
        count = self.quick_count if quick else self.count
        notebook = Notebook(browser.new_page(), server, server.write_notebook(self.sources(count)))
        try:
            self.run(notebook)
            return notebook.wait_shown(self.last(count))
        finally:
            notebook.close()


SCENES = (
    Scene(
        Row("prints", "3,000 flushed prints of 70 characters", "s"),
        *(3000, 300),
        lambda count: [PRINTS.format(count=count)],
        lambda _: "the end",
        Notebook.click_run,
    ),
    Scene(
        Row("updates", "2,000 updates of one display id", "s"),
        *(2000, 200),
        lambda count: [UPDATES.format(count=count)],
        lambda count: f"update {count}",
        Notebook.click_run,
    ),
    Scene(
        Row("cells", "60 trivial cells, run all", "s"),
        *(60, 10),
        lambda count: [f"print('cell {number}')" for number in range(1, count + 1)],
        lambda count: f"cell {count}",
        Notebook.run_all,
    ),
)
TARGETS = {"prints": at_most(2.0, "s"), "updates": at_most(1.2, "s"), "cells": NOT_DEARER}
