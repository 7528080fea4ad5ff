"""What a user sees of an accident: counts, of which a higher one is worse, and seconds; and the JavaScript that records them.

Counts dialogs, input boxes, the numbered lines that cells show, the prompts of cells, reconnects and console errors. Must not
compare stock with kernelws (`verdict.py` does), or read the server's state. A MutationObserver is installed before the page's
own scripts run. It presses the default button of each dialog, because JupyterLab shows the next dialog only after that. Cost:
one check of every element that is added to the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from tools.chaos.tally import LINE

DIED = "appears to have died"
ASKED_FOR = "Do you want to restart the kernel"
"""Of the dialog that the user of an accident opens; it is part of no accident."""
NETWORK_ERRORS = ("Failed to load resource", "WebSocket connection to")
"""The browser's own words for a request that failed: with a cut network, that is the accident itself."""
RUNNING = "[*]:"
NEVER_RUN = "[ ]:"
# Before the page's scripts: no dialog can come earlier.
RECORD = """(() => {
  const seen = window.seen = {dialogs: [], statuses: [], connections: [], boxes: 0};
  const text = dialog => [...dialog.querySelectorAll('.jp-Dialog-header, .jp-Dialog-body')].map(e => e.textContent).join(': ');
  const added = node => {
    if (!(node instanceof Element)) return;
    if (node.matches('.jp-Dialog')) {
      const number = seen.dialogs.push(text(node)) - 1;
      setTimeout(() => {
        seen.dialogs[number] = text(node);
        node.querySelector('button.jp-mod-accept')?.click();
      });
    }
    // Only this container is searched: a search in every added node would make long outputs slow.
    if (node.matches('.jp-OutputArea-stdin-item'))
      seen.boxes = Math.max(seen.boxes, document.querySelectorAll('.jp-Stdin').length);
  };
  new MutationObserver(records => records.forEach(record => record.addedNodes.forEach(added)))
    .observe(document, {childList: true, subtree: true});
})()"""
SUBSCRIBE = """() => {
  const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  if (!context) return false;
  context.statusChanged.connect((_, status) => window.seen.statuses.push(status));
  context.connectionStatusChanged.connect((_, status) => window.seen.connections.push(status));
  return true;
}"""
# Returns an object, which is true, so wait_for_function returns it at once.
READ = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const shown = (node, selector) => [...node.querySelectorAll(selector)].map(e => e.textContent);
  return {
    ...window.seen,
    status: panel.sessionContext.session?.kernel?.status ?? 'none',
    openBoxes: document.querySelectorAll('.jp-Stdin').length,
    cells: panel.content.widgets.map(({node}) => ({
      prompt: shown(node, '.jp-InputPrompt').join(''), text: shown(node, '.jp-OutputArea-output').join('\\n'),
    })),
  };
}"""


@dataclass
class Seen:
    """What was seen in one run of an accident with one class. A higher count is worse. The table prints `label`."""

    dialogs: int = field(default=0, metadata={"label": "dialogs"})
    died: int = field(default=0, metadata={"label": "of a dead kernel"})
    boxes: int = field(default=0, metadata={"label": "input boxes too many"})
    missing: int = field(default=0, metadata={"label": "lines missing"})
    twice: int = field(default=0, metadata={"label": "lines twice"})
    disordered: int = field(default=0, metadata={"label": "lines out of order"})
    stuck: int = field(default=0, metadata={"label": "cells stay [*]"})
    uncounted: int = field(default=0, metadata={"label": "cells without a count"})
    reconnects: int = field(default=0, metadata={"label": "reconnects"})
    errors: int = field(default=0, metadata={"label": "console errors"})
    unusable: int = field(default=0, metadata={"label": "unusable"})
    seconds: float = 0.0
    """From the end of the fault until the next cell's output is shown."""
    notes: list[str] = field(default_factory=list)
    """What dialogs and errors said, and what the accident waited for in vain."""

    def counts(self) -> dict[str, int]:
        """Every count by its label."""
        return {f.metadata["label"]: getattr(self, f.name) for f in fields(self) if "label" in f.metadata}

    def add_page(self, page: dict[str, Any], ran: set[int]) -> None:
        """Adds the result of `READ` for one tab. `ran` are the numbers of the cells that were run in it."""
        dialogs = [text for text in page["dialogs"] if ASKED_FOR not in text]
        self.dialogs += len(dialogs)
        self.died += sum(DIED in text for text in dialogs)
        self.boxes += max(0, page["boxes"] - 1) + page["openBoxes"]
        self.reconnects += page["connections"].count("connected")
        prompts = [page["cells"][number]["prompt"] for number in ran]
        stuck = prompts.count(RUNNING) if page["status"] == "idle" else 0
        self.stuck += stuck
        self.uncounted += stuck + prompts.count(NEVER_RUN)
        self.notes += dialogs

    def add_lines(self, text: str, expected: range) -> None:
        """Adds the faults in the numbered lines of one cell, which should show `expected`."""
        missing, twice, disordered = compare(numbers(text), expected)
        self.missing += missing
        self.twice += twice
        self.disordered += disordered

    def add_errors(self, errors: list[str]) -> None:
        """Adds the errors of the page's console, except those of a cut network."""
        own = [text for text in errors if not text.startswith(NETWORK_ERRORS)]
        self.errors += len(own)
        self.notes += own


def numbers(text: str) -> list[int]:
    """The numbers of the lines in a shown text."""
    return [int(found[1]) for found in LINE.finditer(text)]


def compare(shown: list[int], expected: range) -> tuple[int, int, int]:
    """How many lines are missing, how many are repeated, and how many come after a line with a higher number."""
    seen: set[int] = set()
    top = -1
    disordered = 0
    for number in shown:
        disordered += number not in seen and number < top
        seen.add(number)
        top = max(top, number)
    return len(set(expected) - seen), len(shown) - len(seen), disordered
