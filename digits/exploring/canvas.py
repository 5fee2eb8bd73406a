"""Common parts of the plots: settings, and images in rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.exploring.describe import Bytes, Real
from digits.exploring.findings import Findings
from digits.plots.drawing import STYLE, png
from digits.plots.hover import Mark, mark, marks_of
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


class Plot(NamedTuple):
    """A figure that has been drawn."""

    png: bytes
    marks: list[Mark]


@STYLE
@LARGER
def render(draw: Callable[[Findings], Figure], found: Findings) -> Plot:
    """A figure as a PNG, and the places that show a value when the pointer is over them."""
    figure = draw(found)
    content = png(figure)  # before the marks: it gives the axes their places
    return Plot(content, marks_of(figure))


def name_classes(axes: Axes, classes: tuple[str, ...]) -> None:
    """Set a tick for each class, slanted if the names are long."""
    long = max(map(len, classes)) > 3
    axes.set_xticks(np.arange(len(classes)), classes, rotation=40 if long else 0, ha="right" if long else "center")
    axes.tick_params(axis="x", length=0)


def gallery(pictures: Sequence[tuple[str, Real | Bytes]], columns: int, texts: Sequence[str] = ()) -> Figure:
    """A grid of images, each with a title above it; `texts` are shown when the pointer is over them."""
    height, width = pictures[0][1].shape
    lines = -(-len(pictures) // columns)
    scale = columns * (width + 4) / WIDTH  # pixels of the images per inch
    head = (0.05 + 0.17 * max(title.count("\n") + 1 for title, _ in pictures)) * scale
    pitch = height + head + 4
    figure = Figure(figsize=(WIDTH, lines * pitch / scale))
    axes = figure.add_subplot()
    for i, (title, picture) in enumerate(pictures):
        x, y = i % columns * (width + 4), i // columns * pitch
        axes.imshow(picture, vmin=0, vmax=255, extent=(x, x + width, y + height, y), interpolation="nearest")
        axes.text(x + width / 2, y - 0.05 * scale, title, ha="center", va="bottom", fontsize=10)
        if texts:
            mark(axes, x, y, [texts[i]], width, height)
    axes.set(xlim=(-2, columns * (width + 4) - 2), ylim=(lines * pitch - head, -head))
    axes.set_axis_off()
    return figure


def rows(pictures: Bytes, names: list[str], texts: Sequence[Sequence[str]] = (), *, line_after: int = 0) -> Figure:
    """Images (R, C, H, W) in rows, each row with its name; a line separates the first columns.

    `texts` are shown when the pointer is over the images; an image whose text is empty has none.
    """
    rows, columns, height, width = pictures.shape
    room = WIDTH - 0.12 * max(map(len, names)) - 0.1  # the width left for the images beside the names
    figure = Figure(figsize=(WIDTH, 0.15 + room * rows * height / (columns * width)))
    axes = figure.add_subplot()
    tile(axes, pictures)
    for row, name in enumerate(names):
        axes.text(-4, (row + 0.5) * (height + 2), name, ha="right", va="center")
    told = [(row, column, text) for row, line in enumerate(texts) for column, text in enumerate(line) if text]
    if told:
        down, across, words = zip(*told, strict=True)
        mark(axes, np.array(across) * (width + 2) - 0.5, np.array(down) * (height + 2) - 0.5, words, width, height)
    if line_after:
        axes.axvline(line_after * (width + 2) - 1.5, color="C0", linewidth=1.5)
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
