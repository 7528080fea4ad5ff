"""The figure: a notebook whose page is reloaded at random moments while it runs, compared with a run without reloads.

The moments come from a seed. Must not treat the classes differently. What is compared is the saved file: outputs, counts and
prompts, after text that a stream has in pieces is joined, and without the times in `metadata.execution`.
Cost: half a minute a run, and two seconds a reload.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .page import NOTE, Desk, text_of

if TYPE_CHECKING:
    import random

    from playwright.sync_api import Browser

    from tests.browser.lab import LabServer

LONGEST_WAIT_MS = 2000
PRINTS = """\
import time
for number in range({count}):
    print(f"line {{number:04d}}", flush=True)
    time.sleep({pause})"""
BAR = """\
for number in range({count} + 1):
    print(f"\\r{{'#' * (number * 40 // {count})}} {{number}}/{count}", end="", flush=True)
    time.sleep({pause})
print()"""
UPDATES = """\
from IPython.display import display
handle = display({{"text/plain": "update 0"}}, raw=True, display_id="figure")
for number in range({count} + 1):
    handle.update({{"text/plain": f"update {{number}}"}}, raw=True)
    time.sleep({pause})"""
CLEARS = """\
from IPython.display import clear_output
for number in range({count} + 1):
    clear_output(wait=True)
    print("step", number, flush=True)
    time.sleep({pause})"""
MIXED = """\
import sys
for number in range({count}):
    print("out", number, flush=True)
    print("err", number, file=sys.stderr, flush=True)
    display({{"text/plain": f"display {{number}}", "text/html": f"<b>{{number}}</b>"}}, raw=True)
    time.sleep({pause})"""


def sources(count: int, pause: float) -> list[str]:
    """Twenty cells, of which five take `count` steps of `pause` seconds."""
    slow = {"count": count, "pause": pause}
    return [
        f"import sys\n{NOTE}print('begun')\nnote('begun')",
        "6 * 7",
        "from IPython.display import HTML, Markdown\nHTML('<i>html</i>')",
        PRINTS.format(**slow),
        "print('after the prints')",
        "raise ValueError('an error that is expected')",
        BAR.format(**slow),
        "Markdown('**markdown**')",
        UPDATES.format(**slow),
        "print('text', end='')",
        "handle.update({'text/plain': 'updated by another cell'}, raw=True)",
        CLEARS.format(**slow),
        "'a result'",
        MIXED.format(**slow),
        "x = 1",
        "",
        "print('to stderr', file=sys.stderr)",
        "for number in range(20): print('quick', number)",
        "note('end')\nraise RuntimeError('the last error')",
        "print('aborted')",
    ]


@dataclass
class Result:
    """How saved notebooks differ from the reference, which was saved in a run without reloads."""

    reloads: int = 0
    cells: int = 0
    different: int = 0
    missing: int = 0
    """Lines of text that only the reference has."""
    twice: int = 0
    """Lines of text that the reference does not have, or not so often."""
    notes: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Adds another run."""
        self.reloads += other.reloads
        self.cells += other.cells
        self.different += other.different
        self.missing += other.missing
        self.twice += other.twice
        self.notes += other.notes

    def __str__(self) -> str:
        equal = f"{self.cells - self.different} of {self.cells} cells equal"
        return f"{self.reloads} reloads: {equal}, {self.missing} lines missing, {self.twice} too many"


def run(browser: Browser, server: LabServer, steps: tuple[int, float], rng: random.Random, *, reloads: int) -> tuple[Any, int]:
    """One run of the notebook with at most so many reloads; returns the saved file and how many reloads there were."""
    done = 0
    with Desk(browser, server, sources(*steps), rng) as desk:
        desk.rewrite(lambda content: content["cells"][5].update(metadata={"tags": ["raises-exception"]}))
        sheet = desk.open()
        sheet.run_all()
        # A page that is reloaded before it has sent its requests runs nothing, with any server
        desk.noted("begun")
        while done < reloads and "end" not in desk.notes():
            sheet.page.wait_for_timeout(rng.uniform(0, LONGEST_WAIT_MS))
            sheet.go(wait=rng.random() < 0.5)
            done += 1
        desk.noted("end")
        if done:
            sheet.go()
        sheet.calm()
        # What is restored late must not be taken for missing
        sheet.until(lambda cells: cells[19].prompt == "[ ]:" and any(o["output_type"] == "error" for o in cells[18].outputs), 10)
        sheet.save()
        return desk.content(), done


def compare(reference: Any, found: Any) -> Result:
    """Compares two saved notebooks, cell by cell."""
    result = Result(cells=len(reference["cells"]))
    for one, other in zip(reference["cells"], found["cells"], strict=True):
        expected, shown = seen(one), seen(other)
        if expected == shown:
            continue
        result.different += 1
        result.notes.append(f"{one['source'][:40]!r}: {expected!r:.300} is {shown!r:.300}")
        wanted, got = lines(one), lines(other)
        result.missing += sum(max(0, wanted.count(line) - got.count(line)) for line in set(wanted))
        result.twice += sum(max(0, got.count(line) - wanted.count(line)) for line in set(got))
    return result


def seen(cell: Any) -> Any:
    """What a reader sees of a cell."""
    outputs: list[Any] = []
    for output in cell["outputs"]:
        last = outputs[-1] if outputs else {}
        if output["output_type"] == "stream" and (last.get("output_type"), last.get("name")) == ("stream", output["name"]):
            outputs[-1] = {**last, "text": last["text"] + text_of(output)}
        else:
            outputs.append({**output, "text": text_of(output)} if output["output_type"] == "stream" else output)
    return cell["execution_count"], outputs


def lines(cell: Any) -> list[str]:
    """The lines of text of a cell."""
    return [line for output in cell["outputs"] if output["output_type"] == "stream" for line in text_of(output).splitlines()]
