"""Draws the growth curves as one picture, with a panel for each figure and a line for each class.

Must not use scales that hide a bend: both axes start at zero and are linear.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kernelws.cli.bench.plot import COLOURS

if TYPE_CHECKING:
    from pathlib import Path

Curve = Mapping[int, Mapping[str, float]]
PANELS = (
    ("idle kernels", "RSS, MB"),
    ("idle kernels", "descriptors"),
    ("idle kernels", "idle CPU, ms per second"),
    ("flooding kernels", "CPU, us a message"),
    ("clients", "CPU, us a message"),
    ("clients", "RSS, MB"),
    ("clients", "descriptors"),
    ("flooding kernels", "messages/s"),
    ("idle clients", "RSS, MB"),
    ("idle clients", "descriptors"),
    ("idle clients", "idle CPU, ms per second"),
)


def draw(curves: Mapping[str, Mapping[str, Curve]], target: Path) -> None:
    """Writes a PNG file."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 4, figsize=(16, 10), layout="constrained")
    for axis in axes.flat[len(PANELS) :]:
        axis.set_axis_off()
    for axis, (title, value) in zip(axes.flat, PANELS, strict=False):
        for name, curve in curves[title].items():
            heights = [figures[value] for figures in curve.values()]
            axis.plot(list(curve), heights, marker="o", label=name, color=COLOURS[name])
        axis.set(xlabel=title, title=value, xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    figure.savefig(target, dpi=100)
    plt.close(figure)
