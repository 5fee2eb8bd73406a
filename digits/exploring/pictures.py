"""Plots of a data set's content: pure functions that return matplotlib Figures, in the colours of the theme."""

from __future__ import annotations

from typing import cast

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from digits.exploring.canvas import PALETTE, WIDTH, gallery, name_classes, rows
from digits.exploring.describe import Real
from digits.exploring.findings import Findings
from digits.plots.hover import mark, mark_columns


def counts(found: Findings) -> Figure:
    """Each class's share of each split."""
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.add_subplot()
    places: Real = np.arange(len(found.classes), dtype=np.float64)
    width = 0.8 / len(found.splits)
    for i, (name, count) in enumerate(found.counts.items()):
        left: Real = places + (i - len(found.splits) / 2) * width
        shares: Real = 100 * count / count.sum()
        axes.bar(left + width / 2, shares, width * 0.9, label=name)
        told = zip(found.classes, count, shares, strict=True)
        texts = [f"{label}, {name}: {number:,} images, {share:.1f} %" for label, number, share in told]
        mark(axes, left, 0, texts, width, shares)
    axes.axhline(100 / len(found.classes), color=mpl.rcParams["grid.color"], linestyle=":", zorder=0)
    name_classes(axes, found.classes)
    axes.set_ylabel("share of the split, %")
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def means(found: Findings) -> Figure:
    """The mean image of every class."""
    return gallery([(name, picture) for name, picture in zip(found.classes, found.means, strict=True)], columns=5)


def samples(found: Findings) -> Figure:
    """Some images of every class, one row per class."""
    return rows(found.samples, list(found.classes))


def pixels(found: Findings) -> Figure:
    """The histogram of the grey values."""
    figure = Figure(figsize=(WIDTH, 2.8))
    axes = figure.add_subplot()
    share = 100 * found.histogram / found.histogram.sum()
    axes.stairs(share, np.arange(257) - 0.5, fill=True)
    texts = [f"grey value {value}: {percent:.3f} % of the pixels" for value, percent in enumerate(share)]
    mark_columns(axes, range(256), texts, 1)
    axes.set(yscale="log", xlabel="grey value, 0 background to 255 full ink", ylabel="share of pixels, %")
    axes.set_ylim(max(share[share > 0].min() / 2, 1e-4), 150)
    axes.minorticks_off()
    return figure


def ink(found: Findings) -> Figure:
    """The distribution of ink in the images of each class."""
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.add_subplot()
    labels = found.splits["train"].labels
    groups = [100 * found.ink[labels == c] for c in found.shown]
    quartiles = [np.percentile(group, [25, 50, 75]) for group in groups]
    parts = axes.violinplot(groups, found.shown, showextrema=False)
    for body in cast(list[PolyCollection], parts["bodies"]):
        body.set_alpha(0.55)
    axes.scatter(found.shown, [median for _, median, _ in quartiles], s=18, color="C3", zorder=3)
    texts = [
        f"{found.classes[c]}: median {median:.1f} % ink; half of the images have {low:.1f} to {high:.1f} %"
        for c, (low, median, high) in zip(found.shown, quartiles, strict=True)
    ]
    mark_columns(axes, found.shown.tolist(), texts, 1)
    name_classes(axes, found.classes)
    axes.set_ylabel("ink, % of a full image")
    axes.set_ylim(bottom=0)
    return figure


def frames(found: Findings) -> Figure:
    """The sizes of the bounding boxes, and the centres of mass."""
    figure = Figure(figsize=(WIDTH, 3.1))
    size = found.means.shape[-1]
    axes = figure.add_subplot(1, 2, 1)
    edges = [pixels - 0.5 for pixels in range(size + 2)]
    for i, side in ((2, "height"), (3, "width")):
        axes.hist(found.boxes[:, i], edges, histtype="step", linewidth=1.6, label=side)
    sizes = [np.bincount(found.boxes[:, i], minlength=size + 1) for i in (2, 3)]
    texts = [
        f"{n} pixels: height of {high:,}, width of {wide:,} images"
        for n, (high, wide) in enumerate(zip(*sizes, strict=True))
    ]
    mark_columns(axes, range(size + 1), texts, 1)
    axes.set(xlabel="pixels", ylabel="images", title="box around the ink", xlim=(0, size + 0.5))
    axes.legend(loc="upper left")
    axes = figure.add_subplot(1, 2, 2)
    reach = max(1.5, float(np.nanpercentile(np.abs(found.centres), 99.9)))
    grid = np.linspace(-reach, reach, 61)
    seen = ~np.isnan(found.centres[:, 0])
    axes.hist2d(found.centres[seen, 1], found.centres[seen, 0], [grid, grid])
    axes.axhline(0, color="C0", linewidth=0.7)
    axes.axvline(0, color="C0", linewidth=0.7)
    axes.set(xlabel="pixels right of the centre", ylabel="pixels below", title="centre of mass", aspect="equal")
    axes.invert_yaxis()
    return figure


def classes_map(found: Findings) -> Figure:
    """The map of the classes."""
    figure = Figure(figsize=(WIDTH, 5.6))
    axes = figure.add_subplot()
    labels = found.splits["train"].labels[found.map.rows]
    for c, name in enumerate(found.classes):
        points = found.map.points[labels == c]
        if not len(points):
            continue
        axes.scatter(points[:, 0], points[:, 1], s=7, color=PALETTE(c % 10), linewidths=0)
        x, y = np.median(points, axis=0)
        box = {"boxstyle": "round,pad=0.25", "facecolor": mpl.rcParams["axes.facecolor"], "edgecolor": PALETTE(c % 10)}
        axes.text(x, y, name, ha="center", va="center", weight="bold", bbox=box)
    texts = [f"{found.image_name('train', row)}: {found.label('train', row)}" for row in found.map.rows.tolist()]
    mark(axes, found.map.points[:, 0], found.map.points[:, 1], texts)
    axes.autoscale_view()  # now: the layout would measure the names where they are within the limits of before
    axes.set_axis_off()
    return figure


def variance(found: Findings) -> Figure:
    """The share of the variance that the first principal components explain."""
    figure = Figure(figsize=(WIDTH, 2.5))
    axes = figure.add_subplot()
    axes.plot(np.arange(1, len(found.map.variance) + 1), 100 * found.map.variance, linewidth=2)
    texts = [f"{number} explain {100 * share:.1f} %" for number, share in enumerate(found.map.variance, 1)]
    mark_columns(axes, range(1, len(texts) + 1), texts, 1)
    axes.set(xlabel="principal components", ylabel="variance explained, %")
    axes.set(xlim=(0, len(found.map.variance) + 1), ylim=(0, 100))
    axes.grid(alpha=0.5)
    return figure
