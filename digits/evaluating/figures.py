"""Plots for TensorBoard and for files: a net's predictions, its input, and the search for its learning rate.

Pure functions, without matplotlib's pyplot.

With `card` a plot is made for a card of TensorBoard: 500 pixels wide as `card_png`, without what is unreadable there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from digits.data import Split
from digits.evaluating.predictions import Predictions
from digits.evaluating.scores import Bin, Scores, reliability, wilson_interval, worst_mistakes
from digits.plots import drawing
from digits.plots.drawing import CARD, CARD_DPI, STYLE
from digits.plots.theme import ACCENT, BLUE, FAINT, INK, PAPER, SOFT

RIGHT, WRONG = BLUE, ACCENT
BLUES = LinearSegmentedColormap.from_list("right", [PAPER, RIGHT])
REDS = LinearSegmentedColormap.from_list("wrong", [PAPER, WRONG])

READABLE_CLASSES = 20  # with more, the cells of a confusion matrix are too small for numbers
READABLE_CELL, READABLE_LABEL = 0.36, 0.14  # inches: least side of a cell with numbers, least height of a tick label
CARD_MISTAKES = 20  # that a card shows

png = STYLE(drawing.png)  # ticks get their style when they are drawn
AXIS_STARTS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)


def card_png(figure: Figure) -> bytes:
    """A plot made with `card` as a PNG file's content, 500 pixels wide."""
    return png(figure, CARD_DPI)


def pictures(
    predictions: Predictions, scores: Scores, split: Split, classes: Sequence[str], *, card: bool = False
) -> dict[str, Figure]:
    """The four plots of an evaluation, by name."""
    worst = worst_mistakes(predictions, len(scores.mistakes))
    return {
        "confusion_matrix": confusion_matrix(scores, classes, card=card),
        "class_accuracy": class_accuracy(scores, card=card),
        "worst_mistakes": mistakes(split.pixels()[worst.to(split.rows.device)].cpu(), scores, card=card),
        "reliability": reliability_diagram(reliability(predictions), scores.calibration_error),
    }


@STYLE
def confusion_matrix(scores: Scores, classes: Sequence[str], *, card: bool = False) -> Figure:
    """Counts, with each row's percentages; correct ones in blue, mistakes in red on a scale of their own."""
    counts = np.array(scores.confusion_matrix)  # int64 (C, C)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    number = len(classes)
    side = CARD - 1.1 if card else max(4.0, 0.55 * number)
    cell = side / number
    figure = Figure(figsize=(side + 1.1, side + 0.9), layout="constrained")
    axes = figure.add_subplot()
    mistaken = shares * (1 - np.eye(number))
    colours = np.where(
        np.eye(number, dtype=bool)[..., None],
        BLUES(0.75 * shares),
        REDS(0.75 * mistaken / max(mistaken.max(), 0.05)),  # full red from 5 % on
    )
    axes.imshow(colours, aspect="equal")
    if number <= READABLE_CLASSES and cell >= READABLE_CELL:
        for row, column in np.argwhere(counts).tolist():
            dark = shares[row, column] > 0.6 if row == column else colours[row, column, 1] < 0.55
            colour = "white" if dark else INK
            axes.text(column, row - 0.12, f"{counts[row, column]:,}", ha="center", va="center", color=colour,
                      fontsize=8 if card else 9)  # fmt: skip
            percent = f"{shares[row, column]:.1%}".replace("100.0%", "100%")
            axes.text(column, row + 0.26, percent, ha="center", va="center", color=colour, fontsize=7)
    long_names = max(map(len, classes)) > 3
    labelled = range(0, number, ceil(READABLE_LABEL / cell))
    names = [classes[i] for i in labelled]
    axes.set_xticks(labelled, names, rotation=40 if long_names else 0, ha="right" if long_names else "center",
                    rotation_mode="anchor" if long_names else "default")  # fmt: skip
    axes.set_yticks(labelled, names)
    axes.set_xticks(np.arange(number + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(number + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="label")
    axes.set_title(f"{scores.accuracy:.2%} correct, {_wrong(scores)}")
    return figure


@STYLE
def class_accuracy(scores: Scores, *, card: bool = False) -> Figure:
    """The accuracy (recall) of each class, with its 95 % interval; the axis starts near the worst."""
    recalls = np.array([c.recall for c in scores.classes])
    intervals = np.array([wilson_interval(round(c.recall * c.images), c.images) for c in scores.classes])  # (C, 2)
    places = np.arange(len(recalls))
    figure = Figure(figsize=(CARD if card else 5.6, 1.2 + 0.26 * len(recalls)), layout="constrained")
    axes = figure.add_subplot()
    lowest = min(recalls.min(), float(np.median(intervals[:, 0])))
    start = max(s for s in AXIS_STARTS if s <= max(lowest - 0.1 * (1 - lowest), 0.0))
    axes.barh(places, recalls - start, left=start, height=0.62, color=RIGHT, alpha=0.75)
    axes.hlines(places, np.maximum(intervals[:, 0], start), intervals[:, 1], color=INK, linewidth=0.9)
    axes.axvline(scores.accuracy, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    for place, recall in enumerate(recalls):
        axes.text(1.02, place, f"{recall:.1%}", transform=axes.get_yaxis_transform(), va="center", ha="left")
    axes.set_yticks(places, [c.name for c in scores.classes])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(start, 1.0)
    axes.set_ylim(len(recalls) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.set_title(f"Accuracy by class; all together {scores.accuracy:.2%} (dashed)")
    return figure


@STYLE
def mistakes(images: Tensor, scores: Scores, *, card: bool = False) -> Figure:
    """The worst mistakes: images uint8 (K, H, W), in the order of `scores.mistakes`; on a card the first of them."""
    if not scores.mistakes:
        figure = Figure(figsize=(4.5, 1.2))
        figure.text(0.5, 0.5, f"No mistake among {scores.images:,} images", ha="center", va="center")
        return figure
    worst = scores.mistakes[:CARD_MISTAKES] if card else scores.mistakes
    columns = min(5, len(worst))
    cell = (CARD / 5, 1.36) if card else (1.25, 1.62)
    figure, grid = _grid(ceil(len(worst) / columns), columns, cell, least_width=CARD if card else 3.6)
    for axes, image, mistake in zip(grid, images, worst, strict=False):
        axes.imshow(image.numpy(), cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(mistake.truth, fontsize=7.5 if card else 8, loc="left", pad=3)
        axes.set_title(f"#{mistake.index}", fontsize=7 if card else 6, loc="right", pad=3, color=SOFT)
        axes.set_xlabel(f"{mistake.guess}  {mistake.confidence:.0%}", fontsize=8, color=WRONG, loc="left", labelpad=3)
    shown = "all" if len(worst) == scores.images - scores.correct else f"the worst {len(worst)}"
    figure.suptitle(
        f"{_wrong(scores).capitalize()}; {shown}: label above, predicted below", fontsize=10, x=0.02, ha="left"
    )
    return figure


@STYLE
def batch(images: Tensor, labels: Tensor, classes: Sequence[str]) -> Figure:
    """A training batch as a card: augmented and normalised images, float (B, 1, H, W), with labels int64 (B,)."""
    columns = min(8, len(images))
    figure, grid = _grid(ceil(len(images) / columns), columns, cell=(CARD / 8, 0.8), least_width=CARD)
    low, high = float(images.min()), float(images.max())
    for axes, image, label in zip(grid, images, labels, strict=False):
        axes.imshow(image.squeeze(0).numpy(), cmap="gray", vmin=low, vmax=high)
        axes.set_title(classes[int(label)], fontsize=7, pad=2)
    mean, deviation = float(images.mean()), float(images.std())
    figure.suptitle(
        f"Input: values {low:.2f} to {high:.2f}, mean {mean:.2f}, sd {deviation:.2f}", fontsize=10, x=0.02, ha="left"
    )
    return figure


@STYLE
def reliability_diagram(bins: Sequence[Bin], calibration_error: float) -> Figure:
    """Accuracy against confidence (Niculescu-Mizil, Caruana 2005), with 95 % intervals and each bin's image count."""
    confidences = np.array([b.confidence for b in bins])
    accuracies = np.array([b.correct / b.images for b in bins])
    intervals = np.array([wilson_interval(b.correct, b.images) for b in bins])  # (K, 2)
    figure = Figure(figsize=(4.6, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4.4, 1])
    top.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    top.vlines(confidences, intervals[:, 0], intervals[:, 1], color=RIGHT, linewidth=1.2, alpha=0.5)
    top.plot(confidences, accuracies, "o", color=RIGHT, markersize=5)
    top.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy")
    bottom.bar(confidences, [b.images for b in bins], width=0.03, color=RIGHT, alpha=0.75)
    bottom.set(yscale="log", ylabel="images", xlabel="confidence")
    bottom.set_ylim(0.7, None)
    bottom.minorticks_off()
    for axis in (top.xaxis, top.yaxis, bottom.xaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    top.set_title(f"Expected calibration error {calibration_error:.2%}")
    return figure


@STYLE
def lr_search(
    rates: Sequence[float], losses: Sequence[float], smoothed: npt.NDArray[np.float64], suggestion: float | None
) -> Figure:
    """The search for a learning rate as a card: each loss, the smoothed ones as a line, and the rate that is suggested.

    Losses far above the first ones are cut off: the last ones diverge.
    """
    figure = Figure(figsize=(CARD, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, losses, ".", color=SOFT, markersize=4, alpha=0.6)
    axes.plot(rates, smoothed, color=BLUE, linewidth=1.6)
    if suggestion is not None:
        axes.axvline(suggestion, color=ACCENT, linewidth=1.2)
    low, high = float(np.min(losses)), float(np.max(losses[:10]))
    span = high - low or 1.0
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(low - 0.1 * span, high + 0.3 * span))
    lowest = rates[int(np.argmin(smoothed))]
    found = f"suggested: {suggestion:g}; loss lowest at {lowest:.1g}" if suggestion else "the loss does not fall"
    axes.set_title(found)
    return figure


def _wrong(scores: Scores) -> str:
    return f"{scores.images - scores.correct:,} of {scores.images:,} wrong"


def _grid(rows: int, columns: int, cell: tuple[float, float], least_width: float) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of axes for images, row by row, without ticks and frames."""
    width = max(columns * cell[0], least_width)
    figure = Figure(figsize=(width, rows * cell[1] + 0.35), layout=ConstrainedLayoutEngine(hspace=0.05))
    grid: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure, grid
