"""Plots that show their values where the pointer is: a PNG, and marks over it with a text each.

The drawing code puts marks where the values are, in the data's own coordinates; `marks_of` finds where they came to lie
in the PNG. The page lists the same texts below most plots, for the keyboard and for screen readers.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from digits.plots.html import image

Places = npt.NDArray[np.float64]
Reals = float | Sequence[float] | Places

SEPARATOR = "\0"  # of the texts of one line of marks

LISTED = 300  # marks; more are too many to read as a list


class Mark(NamedTuple):
    """A rectangle over a plot, in shares of its width and height from the top left, and what it says."""

    left: float
    top: float
    width: float
    height: float
    text: str


def mark(axes: Axes, xs: Reals, ys: Reals, texts: Iterable[str], width: float = 0, height: Reals = 0) -> None:
    """Mark points of a plot, or rectangles by their corner, in data coordinates: not drawn, and no limit changes."""
    low = np.array(np.broadcast_arrays(xs, ys)).reshape(2, -1)  # (2, N)
    _add(axes, np.stack([low, low + np.array(np.broadcast_arrays(width, height)).reshape(2, -1)], axis=2), texts)


def mark_columns(axes: Axes, xs: Reals, texts: Iterable[str], width: float) -> None:
    """Mark columns as high as the plot, each `width` wide, around the places `xs` of a linear axis."""
    places = np.array(xs, np.float64)  # (N,)
    sides = np.stack([places - width / 2, places + width / 2], axis=1)
    corners = np.stack([sides, np.broadcast_to([0.0, 1.0], sides.shape)])
    _add(axes, corners, texts, axes.get_xaxis_transform())


def marks_of(figure: Figure) -> list[Mark]:
    """The marks of a figure that has been drawn, those of each axes in the order in which they were made."""
    found = []
    for axes in figure.axes:
        for line in axes.lines:
            if text := line.get_gid():
                shares = line.get_transform().transform(line.get_xydata()) / figure.bbox.size
                low, high = np.sort(shares.reshape(-1, 2, 2), axis=1).transpose(1, 0, 2)  # (N, 2): across, up
                places = np.column_stack([low[:, 0], 1 - high[:, 1], high - low]).tolist()
                found += [
                    Mark._make((*place, words)) for place, words in zip(places, text.split(SEPARATOR), strict=True)
                ]
    return found


def _add(axes: Axes, corners: Places, texts: Iterable[str], transform: Transform | None = None) -> None:
    """Add rectangles by two corners, (2, N, 2): one invisible line, since an artist for each takes long to lay out."""
    x, y = corners.reshape(2, -1)
    line = Line2D(x, y, visible=False, gid=SEPARATOR.join(texts))
    if transform is not None:
        line.set_transform(transform)
    axes.add_artist(line)


def hoverable(png: bytes, alt: str, marks: Sequence[Mark], thumbnails: str = "") -> str:
    """A plot, embedded, that shows the text of the mark under the pointer; needs `script` at the end of the page.

    `thumbnails` is an `img` element, hidden, with a square image for each mark, from left to right and top to bottom;
    the mark's is shown beside its text.
    """
    if not marks:
        return image(png, alt)
    places = [[*(round(share, 4) for share in mark[:4]), mark.text] for mark in marks]
    data = html.escape(json.dumps(places, ensure_ascii=False, separators=(",", ":")))
    plot = f'<div class="marked" data-marks="{data}">{image(png, alt)}{thumbnails}</div>'
    if len(marks) > LISTED:
        return plot
    values = "".join(f"<li>{html.escape(mark.text)}</li>" for mark in marks)
    return f"{plot}<details><summary>The values</summary><ul>{values}</ul></details>"


def script() -> str:
    """The script that shows the marks' texts, as an HTML element."""
    return f"<script>\n{Path(__file__).with_name('hover.js').read_text(encoding='utf-8')}</script>"
