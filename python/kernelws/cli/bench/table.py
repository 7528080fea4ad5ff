"""The printed table, in Markdown, so that the README can include it.

What it must not do: decide whether a run failed. The last column says whether a target was reached;
on a noisy machine that is for a reader to judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .server import KERNELWS, STOCK

if TYPE_CHECKING:
    from .rows import Row, Target

Medians = Mapping[str, Mapping[str, float]]
HEAD, TARGETS_HEAD = "| row | unit | stock | kernelws | kernelws / stock |", " must reach | reached |"
RULE, TARGETS_RULE = "|---|---|---:|---:|---:|", "---|---|"


def render(rows: Sequence[Row], medians: Medians, *, targets: bool = True) -> list[str]:
    """One line a row that has a value; `medians` maps class name to row name to value."""
    lines = [HEAD + TARGETS_HEAD, RULE + TARGETS_RULE] if targets else [HEAD, RULE]
    for row in rows:
        stock = medians.get(STOCK, {}).get(row.name)
        ours = medians.get(KERNELWS, {}).get(row.name)
        if stock is None and ours is None:
            continue
        cells = [row.title, row.unit, number(stock), number(ours), ratio(stock, ours)]
        if targets:
            cells += [row.target.text, reached(row.target, stock, ours)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def number(value: float | None) -> str:
    """Three significant digits, thousands separated."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(stock: float | None, ours: float | None) -> str:
    """kernelws / stock, as a fraction when it is small."""
    if stock is None or ours is None or stock <= 0 or ours <= 0:
        return "-"
    share = ours / stock
    return f"1/{1 / share:.1f}" if share < 0.5 else f"{share:.2f}"


def reached(target: Target, stock: float | None, ours: float | None) -> str:
    """yes, NO, or nothing where there is no target or no figure to compare."""
    if target.kind == "none" or ours is None:
        return ""
    value = ours
    if target.kind.startswith("ratio"):
        if not stock:
            return ""
        value = ours / stock
    good = value >= target.limit if target.kind.endswith("at least") else value <= target.limit
    return "yes" if good else "NO"
