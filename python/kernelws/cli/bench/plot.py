"""Draws the rows as a picture and as bars of text.

Must not use scales that hide or exaggerate a difference: all bars begin at zero and all scales are linear. The picture has a
panel for each row, with a bar for each class, because rows have different units.
Cost: a second for the picture, mostly for importing matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .server import KERNELWS, STOCK
from .table import number, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .rows import Row
    from .table import Medians

COLOURS = {STOCK: "#888888", KERNELWS: "#d65f00"}
COLUMNS = 5
WIDTH = 40


def picture(rows: Sequence[Row], medians: Medians, about: str, target: Path) -> None:
    """Writes a PNG file. Raises ImportError without matplotlib, and OSError if the file cannot be written."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = -(-len(rows) // COLUMNS)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=(3.2 * COLUMNS, 3.4 * lines), layout="constrained", squeeze=False)
    for axis in axes.flat[len(rows) :]:
        axis.remove()
    for axis, row in zip(axes.flat, rows, strict=False):
        values = _values(row, medians)
        bars = axis.bar(list(values), list(values.values()), color=[COLOURS[name] for name in values], width=0.6)
        axis.bar_label(bars, [number(value) for value in values.values()], padding=2)
        title, _, figure_of = row.title.rpartition(": ")
        axis.set_title(f"{title}\n{figure_of}\n{row.unit}, {better(row)}", fontsize=9)
        axis.set_ylim(0, 1.15 * max(values.values(), default=0) or 1)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(about, fontsize=9)
    figure.savefig(target, dpi=100)
    plt.close(figure)


def bars(rows: Sequence[Row], medians: Medians, block: str = "#") -> list[str]:
    """The rows as text: a title and a bar for each class; the longer bar of a row has `WIDTH` characters."""
    lines: list[str] = []
    for row in rows:
        values = _values(row, medians)
        most = max(values.values(), default=0)
        if most <= 0:
            continue
        lines += ["", f"{row.title} ({row.unit}, {better(row)})"]
        for name, value in values.items():
            bar = block * max(1, round(WIDTH * value / most))
            lines.append(f"  {name:<8}  {bar:<{WIDTH}}  {number(value):>9}")
        lines[-1] += f"  {ratio(values.get(STOCK), values.get(KERNELWS))}"
    return lines[1:]


def better(row: Row) -> str:
    """Whether more or less is better in this row, as text."""
    return "more is better" if row.more_is_better else "less is better"


def _values(row: Row, medians: Medians) -> dict[str, float]:
    return {name: medians[name][row.name] for name in (STOCK, KERNELWS) if row.name in medians.get(name, {})}
