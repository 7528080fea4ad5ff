"""Prints the results as a Markdown table. Must not judge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .server import KERNELWS, STOCK

if TYPE_CHECKING:
    from .rows import Row

Medians = Mapping[str, Mapping[str, float]]
HEAD, RULE = "| row | unit | stock | kernelws | kernelws / stock |", "|---|---|---:|---:|---:|"


def render(rows: Sequence[Row], medians: Medians) -> list[str]:
    """The table's lines, without rows that have no value. `medians` maps class name to row name to value."""
    lines = [HEAD, RULE]
    for row in rows:
        stock = medians.get(STOCK, {}).get(row.name)
        ours = medians.get(KERNELWS, {}).get(row.name)
        if stock is None and ours is None:
            continue
        cells = [row.title, row.unit, number(stock), number(ours), ratio(stock, ours)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def number(value: float | None) -> str:
    """A number with three significant digits, or all digits of a whole number, and thousands separators."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(stock: float | None, ours: float | None) -> str:
    """kernelws / stock as text; below a half, as a fraction such as 1/30.5."""
    if stock is None or ours is None or stock <= 0 or ours <= 0:
        return "-"
    share = ours / stock
    return f"1/{1 / share:.1f}" if share < 0.5 else f"{share:.2f}"
