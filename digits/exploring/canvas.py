"""Common parts of the plots: settings, and images in rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.exploring.describe import Bytes, Real
from digits.exploring.findings import Findings
from digits.plots.drawing import STYLE, png
from digits.plots.theme import ACCENT, BLUE, INK

PALETTE = mpl.colormaps["tab10"]

WIDTH = 6.4  # of every figure, in inches; with text of 11 points it is readable on a phone

LARGER = mpl.rc_context(
    {
        "figure.dpi": 160,
        "figure.constrained_layout.use": True,
        "font.size": 11,
        "axes.titlesize": 11,
        "axes.prop_cycle": cycler(color=[ACCENT, BLUE, "#8a8f3c", INK]),
        "image.cmap": "gray_r",
    }
)


@STYLE
@LARGER
def render(draw: Callable[[Findings], Figure], found: Findings) -> bytes:
    """A figure as a PNG."""
    return png(draw(found))


def name_classes(axes: Axes, classes: tuple[str, ...]) -> None:
    """Set a tick for each class, slanted if the names are long."""
    long = max(map(len, classes)) > 3
    axes.set_xticks(np.arange(len(classes)), classes, rotation=40 if long else 0, ha="right" if long else "center")
    axes.tick_params(axis="x", length=0)


def gallery(pictures: Sequence[tuple[str, Real | Bytes]], columns: int) -> Figure:
    """A grid of images, each with a title."""
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(WIDTH, rows * (WIDTH / columns + 0.25)))
    for i, (title, picture) in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(picture, vmin=0, vmax=255)
        axes.set_title(title, loc="center", fontsize=10)
        axes.set_axis_off()
    return figure


def rows(pictures: Bytes, names: list[str], *, mark_first: bool = False) -> Figure:
    """Images (R, C, H, W) in rows, each with its name."""
    rows, columns, height, width = pictures.shape
    room = WIDTH - 0.12 * max(map(len, names)) - 0.1  # the width left for the images beside the names
    figure = Figure(figsize=(WIDTH, 0.15 + room * rows * height / (columns * width)))
    axes = figure.add_subplot()
    tile(axes, pictures)
    for row, name in enumerate(names):
        axes.text(-4, (row + 0.5) * (height + 2), name, ha="right", va="center")
    if mark_first:
        axes.axvline(width + 0.5, color="C0", linewidth=1.5)
    return figure


def tile(axes: Axes, pictures: Bytes) -> None:
    """Draw images (R, C, H, W) as one, with gaps between them in the background colour."""
    rows, columns, height, width = pictures.shape
    sheet: npt.NDArray[np.float64] = np.full((rows * (height + 2) - 2, columns * (width + 2) - 2), np.nan)
    for row in range(rows):
        for column in range(columns):
            y, x = row * (height + 2), column * (width + 2)
            sheet[y : y + height, x : x + width] = pictures[row, column]
    axes.imshow(sheet, vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
