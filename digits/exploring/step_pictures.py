"""Plots that show the reason for each preprocessing step: pure functions that return matplotlib Figures."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from digits.exploring.canvas import WIDTH, name_classes, rows, tile
from digits.exploring.demonstrate import RATES, TURNS, shift, turn
from digits.exploring.findings import Findings
from digits.plots.hover import mark, mark_columns


def numbers(found: Findings) -> Figure:
    """An image, and the pixel values at its centre."""
    picture = found.samples[found.shown[:3][-1], 0]
    side = min(10, picture.shape[0])
    top = (picture.shape[0] - side) // 2
    part = picture[top : top + side, top : top + side]
    figure = Figure(figsize=(WIDTH, 3.3))
    axes = figure.add_subplot(1, 2, 1)
    axes.imshow(picture, vmin=0, vmax=255)
    axes.add_patch(Rectangle((top - 0.5, top - 0.5), side, side, fill=False, edgecolor="C0"))
    axes.set_axis_off()
    axes = figure.add_subplot(1, 2, 2)
    axes.imshow(part, vmin=0, vmax=255)
    for (y, x), value in np.ndenumerate(part):
        axes.text(x, y, str(value), ha="center", va="center", fontsize=6, color="white" if value > 127 else "black")
    axes.set_axis_off()
    return figure


def normalised(found: Findings) -> Figure:
    """The pixel histogram before and after normalisation, on one scale."""
    figure = Figure(figsize=(WIDTH, 4.0))
    mean, std = found.configured
    share = 100 * found.histogram / found.histogram.sum()
    for i, (values, title) in enumerate(
        (
            (np.arange(256) / 255, f"scaled to 0..1: mean {found.official[0]:.4f}, sd {found.official[1]:.4f}"),
            ((np.arange(256) / 255 - mean) / std, "normalised: mean 0, sd 1"),
        )
    ):
        axes = figure.add_subplot(2, 1, i + 1)
        axes.stairs(share, np.append(values, 2 * values[-1] - values[-2]), fill=True, color=f"C{1 - i}")
        centre = float(share @ values) / 100
        spread = float(np.sqrt(share @ (values - centre) ** 2 / 100))
        axes.axvspan(centre - spread, centre + spread, color=f"C{1 - i}", alpha=0.15, linewidth=0)
        axes.axvline(centre, color="C3", linewidth=1)
        axes.set(yscale="log", title=title, ylabel="% of pixels", ylim=(max(share[share > 0].min() / 2, 1e-4), 150))
        axes.set_xlim(-0.9, 1.1 * (1 - mean) / std)
        axes.minorticks_off()
    return figure


def learning(found: Findings) -> Figure:
    """The effect of three scalings of the pixels on plain gradient descent."""
    figure = Figure(figsize=(WIDTH, 5.8))
    curves, sweep = figure.add_subplot(2, 1, 1), figure.add_subplot(2, 1, 2)
    shown = found.demonstrations
    chance = float(np.log(len(found.classes)))
    for i, scaling in enumerate(reversed(shown.scalings)):
        smooth = np.convolve(scaling.curve, np.ones(10) / 10, "valid")
        curves.plot(smooth, color=f"C{i}", label=scaling.name, linewidth=1.6)
        losses = np.where(np.isfinite(scaling.held_out), scaling.held_out, np.inf)
        sweep.plot(RATES, losses, "o-", color=f"C{i}", markersize=3.5, label=scaling.name, linewidth=1.6)
        seen = losses < 1.25 * chance
        told = zip(RATES[seen], losses[seen], strict=True)
        texts = [f"{scaling.name}, learning rate {rate:.2g}: loss {loss:.3f}" for rate, loss in told]
        mark(sweep, RATES[seen], losses[seen], texts)
    curves.set(
        yscale="log", xlabel="step", ylabel="training loss", title=f"one learning rate for all: {shown.rate:.2g}"
    )
    sweep.set(xscale="log", xlabel="learning rate", ylabel="held-out loss", ylim=(0, 1.25 * chance))
    sweep.set_title(f"after {len(shown.scalings[0].curve)} steps, at every learning rate")
    for axes in (curves, sweep):
        axes.minorticks_off()
        axes.axhline(chance, color=mpl.rcParams["grid.color"], linestyle=":", zorder=0)
    curves.legend(ncols=3, loc="upper right")
    return figure


def stratified(found: Findings) -> Figure:
    """The class shares of the validation split, compared with those of plain random splits."""
    figure = Figure(figsize=(WIDTH, 3.1))
    axes = figure.add_subplot()
    held_out = found.counts[found.demonstrations.evaluated_on]
    together = sum(count for name, count in found.counts.items() if name != "test")
    share, base = held_out / held_out.sum(), np.asarray(together / np.sum(together), np.float64)
    low, high = np.percentile(found.demonstrations.shares, [2.5, 97.5], axis=0)
    places = np.arange(len(found.classes))
    axes.vlines(places, 100 * (low - base), 100 * (high - base), linewidth=7, alpha=0.35, color="C1",
                label="95 of 100 plain random splits")  # fmt: skip
    axes.plot(places, 100 * (found.demonstrations.shares[0] - base), "x", color="C1", label="the first of them")
    axes.plot(places, 100 * (share - base), "o", color="C0", label="this split, stratified")
    axes.axhline(0, color=mpl.rcParams["grid.color"], zorder=0)
    texts = [
        f"{name}: {100 * s:.3f} % of this split, {100 * b:.3f} % of all; 95 of 100 random splits have "
        f"{100 * least:.2f} to {100 * most:.2f} %"
        for name, s, b, least, most in zip(found.classes, share, base, low, high, strict=True)
    ]
    mark_columns(axes, places.tolist(), texts, 1)
    name_classes(axes, found.classes)
    axes.set_ylabel("share in validation − share\nin training, % points")
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1), fontsize=9, columnspacing=1, handletextpad=0.4)
    return figure


def shifted(found: Findings) -> Figure:
    """Shifted images, and a linear classifier's accuracy on them."""
    figure = Figure(figsize=(WIDTH, 4.0))
    distances = range(len(found.demonstrations.shifted))
    some = found.samples[found.shown[:2], 1]
    pictures = np.stack([shift(some, 0, d) for d in distances], axis=1)
    top, bottom = figure.subplot_mosaic([["pictures"], ["accuracy"]], height_ratios=[1.1, 1]).values()
    tile(top, pictures)
    bottom.plot(distances, 100 * found.demonstrations.shifted, "o-")
    texts = [f"shifted by {d}: {100 * share:.1f} % correct" for d, share in enumerate(found.demonstrations.shifted)]
    mark_columns(bottom, distances, texts, 1)
    bottom.set(xlabel="shift, pixels", ylabel="accuracy, %", ylim=(0, 100))
    bottom.grid(alpha=0.5)
    return figure


def turned(found: Findings) -> Figure:
    """One image of each class, in each of TURNS."""
    shares = found.demonstrations.turned
    texts = [
        [
            "" if np.isnan(share) else f"{name} {how}: {100 * share:.0f} % correct"
            for name, share in zip(found.classes, line, strict=True)
        ]
        for how, line in zip(TURNS, shares, strict=True)
    ]
    return rows(np.stack([turn(found.samples[:, 1], how) for how in TURNS]), list(TURNS), texts)


def augmentation(found: Findings) -> Figure:
    """Some training images, each with randomly augmented copies."""
    return rows(found.augmented, [""] * len(found.augmented), line_after=1)
