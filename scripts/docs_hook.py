"""MkDocs' hook for docs/: replaces `{{ name }}` by a table made from the code, and warns of mistakes in a page.

A warning fails a strict build. Must not depend on a page, except messages.md, whose list must be complete.
Cost: parses the package once a build.
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
    from collections.abc import Callable, Sequence

log = logging.getLogger("mkdocs.hooks.kernelws")


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """MkDocs calls this with each page's source."""
    name = page.file.src_uri
    mistakes = facts.mistakes(markdown)
    if name == "messages.md":
        mistakes += facts.unexplained(markdown)
    for mistake in mistakes:
        log.warning("%s: %s", name, mistake)
    return filled(markdown)


def filled(markdown: str) -> str:
    """The page with its tables. Raises KeyError for an unknown name."""
    return re.sub(r"^\{\{ (\w+) \}\}$", lambda found: TABLES[found[1]](), markdown, flags=re.MULTILINE)


def own_settings() -> str:
    """kernelws's own traits, one section each."""
    return "\n".join(_section(setting) for setting in facts.settings() if setting.own)


def inherited_settings() -> str:
    """The traits of jupyter_server's class, one section each."""
    return "\n".join(_section(setting) for setting in facts.settings() if not setting.own)


def _section(setting: facts.Setting) -> str:
    # If the unit has backticks, it lists the allowed values
    unit = f"Value: {setting.unit}." if "`" in setting.unit else f"Unit: {setting.unit}. Allowed: {setting.allowed}."
    return f"### {setting.name} {{ #{setting.name} }}\n\n{unit} Default: {setting.shown_default}.\n\n{setting.meaning}\n"


def heeded_settings() -> str:
    """A table of the traits of other classes that kernelws uses."""
    rows = []
    for owner, name in facts.heeded():
        trait: Any = owner.class_traits()[name]
        meaning = " ".join(trait.help.split()).replace("|", "\\|")
        rows.append((f"`{owner.__name__}.{name}`", f"`{trait.default()!r}`", meaning))
    return _table(("setting", "default", "meaning, in jupyter_server's words"), rows)


def faults() -> str:
    """A table of the kinds of malformed messages."""
    rows = [(f"`{fault.sentence}`", f"`{fault.kind}`", fault.meaning) for fault in facts.faults()]
    return _table(("in the log", "kind", "meaning"), rows)


def metrics() -> str:
    """A table of kernelws's metrics, with Prometheus's names."""
    rows = []
    for metric in Collector().describe():
        suffix = {"counter": "_total", "info": "_info"}.get(metric.type, "")
        # The labels of an info metric are its value
        labels = sorted({*metric._labelnames, *(metric.samples[0].labels if metric.type == "info" else ())})  # type: ignore[attr-defined]
        named = ", ".join(f"`{label}`" for label in labels)
        rows.append((f"`{metric.name}{suffix}`", metric.type, named, metric.documentation))
    return _table(("metric", "type", "labels", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows))


TABLES: dict[str, Callable[[], str]] = {
    "own_settings": own_settings,
    "inherited_settings": inherited_settings,
    "heeded_settings": heeded_settings,
    "faults": faults,
    "metrics": metrics,
}
