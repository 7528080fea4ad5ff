"""Prints the results as a Markdown table. Must not decide whether a run failed. Cost: none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .context import Row
    from .outcome import Outcome

HEAD = "| situation | class | faults | sent | arrived | repeated | left out and said so | lost | out of order | figures |"
RULE = "|---|---|---:|---:|---:|---:|---:|---:|---:|---|"


def render(results: Sequence[tuple[Row, str, Outcome]]) -> list[str]:
    """A line for each row and class, then the faults by kind and the problems."""
    lines = [HEAD, RULE]
    for row, name, outcome in results:
        numbers = [outcome.sent, outcome.arrived, outcome.repeated, outcome.left_out, outcome.lost, outcome.disordered]
        cells = ["skipped: " + outcome.skipped] if outcome.skipped else ["; ".join(outcome.figures)]
        counts = [f"{number:,}" for number in (outcome.faults.total(), *numbers)]
        lines.append("| " + " | ".join([row.title, name, *counts, *cells]) + " |")
    for row, name, outcome in results:
        if len(outcome.faults) > 1:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.faults.items()))
            lines += ["", f"{row.name}, {name}: {kinds}"]
        lines += [f"{row.name}, {name}: {problem}" for problem in outcome.problems]
    return lines
