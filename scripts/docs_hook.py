"""MkDocs' hooks for docs/: puts facts of the code into the pages, and warns of what a page says that is not so.

A page asks for a table by a name in double braces. A warning ends a strict build. Must not know a page but messages.md, whose
list has to be complete. Cost: parses the package once a build.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kernelws.observe.metrics import Collector
from scripts import docs_facts as facts

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("mkdocs.hooks.kernelws")
MESSAGES = "messages.md"


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """MkDocs calls this with each page's source."""
    for mistake in facts.mistakes(markdown):
        log.warning("%s: %s", page.file.src_uri, mistake)
    if page.file.src_uri == MESSAGES:
        for mistake in facts.unexplained(markdown):
            log.warning("%s: %s", page.file.src_uri, mistake)
    return filled(markdown)


def filled(markdown: str) -> str:
    """The page with its tables. Raises KeyError for a name that is none."""
    return re.sub(r"^\{\{ (\w+) \}\}$", lambda found: TABLES[found[1]](), markdown, flags=re.MULTILINE)


def own_settings() -> str:
    """kernelws's own traits, one section each."""
    return "\n".join(_section(setting) for setting in facts.settings() if setting.own)


def inherited_settings() -> str:
    """The traits of jupyter_server's class, one section each."""
    return "\n".join(_section(setting) for setting in facts.settings() if not setting.own)


def _section(setting: facts.Setting) -> str:
    return f"### {setting.name} {{ #{setting.name} }}\n\n{_terms(setting)}\n\n{setting.meaning}\n"


def _terms(setting: facts.Setting) -> str:
    if "`" in setting.unit:  # the values themselves
        return f"Value: {setting.unit}. Default: {setting.shown_default}."
    return f"Unit: {setting.unit}. Allowed: {setting.allowed}. Default: {setting.shown_default}."


def heeded_settings() -> str:
    """Traits of other classes that kernelws follows."""
    rows = ["| setting | default | meaning, as jupyter_server says it |", "|---|---|---|"]
    for owner, name in facts.heeded():
        trait: Any = owner.class_traits()[name]
        meaning = " ".join(trait.help.split()).replace("|", "\\|")
        rows.append(f"| `{owner.__name__}.{name}` | `{trait.default()!r}` | {meaning} |")
    return "\n".join(rows)


def faults() -> str:
    """What can be wrong with a message's form."""
    rows = ["| in the log | kind | what is wrong |", "|---|---|---|"]
    rows += [f"| `{fault.sentence}` | `{fault.kind}` | {fault.meaning} |" for fault in facts.faults()]
    return "\n".join(rows)


def metrics() -> str:
    """kernelws's metrics as Prometheus gets them."""
    rows = ["| metric | type | labels | |", "|---|---|---|---|"]
    for metric in Collector().describe():
        suffix = {"counter": "_total", "info": "_info"}.get(metric.type, "")
        # an info's value is its labels
        labels = sorted({*metric._labelnames, *(metric.samples[0].labels if metric.type == "info" else ())})  # type: ignore[attr-defined]
        named = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{metric.name}{suffix}` | {metric.type} | {named} | {metric.documentation} |")
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {
    "own_settings": own_settings,
    "inherited_settings": inherited_settings,
    "heeded_settings": heeded_settings,
    "faults": faults,
    "metrics": metrics,
}
