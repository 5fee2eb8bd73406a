"""A search's parameters as figures: parallel coordinates, and slices through the space, one for each parameter."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digits.plots.theme import WIDTH
from digits.tuning.plotting.axis import Axis, parameter_axis, shortened, value_axis
from digits.tuning.plotting.canvas import MARGIN, ROOM, Look, mark_x, mark_y, say
from digits.tuning.results import Outcome, Trial

HALF = 29
"""Characters that fit below a plot of half the width."""

SPREAD = 0.5
"""What the trials with the same name take up of its share of the axis."""


def parallel(outcome: Outcome, look: Look) -> Figure:
    """A line a trial through all its parameters down to its value, the better the more coloured."""
    if not outcome.spans:
        return say("No trial has any parameters yet.", look)
    holders = Counter(name for trial in outcome.trials for name in trial.settings)
    names = sorted(outcome.spans, key=holders.__getitem__)  # what some trials lack comes first: fewer lines have gaps
    rows = [(name, parameter_axis(outcome.spans[name])) for name in names]
    aims = [(aim.name, value_axis(outcome, i)) for i, aim in enumerate(outcome.objectives)]
    figure = Figure(figsize=(WIDTH, 0.35 + 0.72 * (len(rows) + len(aims))))
    axes = figure.add_subplot()
    aim, (_, aim_axis) = outcome.objectives[0], aims[0]
    depths = [-row for row in range(len(rows) + len(aims))]
    best = outcome.best()
    for trial in reversed(outcome.ranked()):
        if not trial.settings:
            continue
        places = [_spread(axis, name, trial) if name in trial.settings else math.nan for name, axis in rows]
        if not trial.values:
            axes.plot(places, depths[: len(rows)], color=look.soft, linewidth=0.7, alpha=0.3, zorder=1)
            continue
        ends = [axis.on_axis(value) for (_, axis), value in zip(aims, trial.values, strict=True)]
        place = aim_axis.on_axis(trial.values[0])
        good = 0.0 if math.isnan(place) else place if aim.maximize else 1 - place
        good = good if aim_axis.high > aim_axis.low else 1.0
        first = best is not None and trial.number == best.number
        axes.plot([*places, *ends], depths, color=look.good(good), linewidth=2 if first else 1.1, marker="o",
                  markersize=3 if first else 2, alpha=1 if first else 0.8, zorder=3 if first else 2,
                  solid_joinstyle="round", clip_on=False)  # fmt: skip
    for depth, (name, axis) in zip(depths, [*rows, *aims], strict=True):
        axes.plot([0, 1], [depth, depth], color=look.faint, linewidth=0.8, zorder=0)
        behind = {"facecolor": look.paper, "edgecolor": "none", "pad": 0.8, "alpha": 0.8}
        axes.text(-MARGIN, depth + 0.13, shortened(name, 60), va="bottom", fontweight="bold", bbox=behind, zorder=5)
        for place, text in axis.ticks(most=7, room=76):
            axes.plot([place, place], [depth, depth - 0.07], color=look.soft, linewidth=0.8, zorder=0)
            side = "left" if place < 0.02 else "right" if place > 0.98 else "center"
            axes.text(place, depth - 0.11, text, ha=side, va="top", fontsize=8, bbox=behind, zorder=4)
    if aim_axis.high > aim_axis.low:  # the first objective's axis is the key to the colours
        shades = np.linspace(0, 1, 128)[None] if aim.maximize else np.linspace(1, 0, 128)[None]
        extent = (0.0, 1.0, -len(rows) - 0.03, -len(rows) + 0.03)
        axes.imshow(shades, extent=extent, aspect="auto", cmap=look.good, zorder=1)
    axes.set(xlim=(-MARGIN, 1 + MARGIN), ylim=(depths[-1] - 0.42, 0.5))
    axes.set_axis_off()
    return figure


def slices(outcome: Outcome, look: Look, objective: int = 0) -> Figure:
    """The objective against each parameter, one small plot each; the later the trial, the darker."""
    complete = [trial for trial in outcome.trials if trial.finite]
    if not complete or not outcome.spans:
        return say("No trial is complete yet.", look)
    axes_of = {name: parameter_axis(span) for name, span in outcome.spans.items()}
    wide = [name for name, axis in axes_of.items() if axis.crowded(HALF)]
    half = [name for name in axes_of if name not in wide]
    rows = [*([name] for name in wide), *(half[i : i + 2] for i in range(0, len(half), 2))]
    figure = Figure(figsize=(WIDTH, 0.6 + 2.2 * len(rows)))
    grid = figure.add_gridspec(len(rows), 2)
    value = value_axis(outcome, objective)
    span = Normalize(0, max(1, *(trial.number for trial in outcome.trials)))
    for row, column, name in ((i, j, name) for i, names in enumerate(rows) for j, name in enumerate(names)):
        axes, axis = figure.add_subplot(grid[row, :] if name in wide else grid[row, column]), axes_of[name]
        has = [trial for trial in complete if name in trial.settings]
        cut = [trial for trial in outcome.trials if trial.state == "pruned" and name in trial.settings]
        axes.scatter([_spread(axis, name, t) for t in has], [value.on_axis(t.values[objective]) for t in has], s=20,
                     c=[t.number for t in has], cmap=look.time, norm=span, linewidths=0, zorder=3,
                     clip_on=False)  # fmt: skip
        edge = -MARGIN if outcome.objectives[objective].maximize else 1 + MARGIN
        if cut:
            axes.plot([_spread(axis, name, t) for t in cut], [edge] * len(cut), "|", color=look.soft, markersize=7,
                      markeredgewidth=0.8, clip_on=False)  # fmt: skip
        mark_y(axes, value)
        mark_x(axes, axis, room=ROOM if name in wide else HALF)
        axes.set_title(shortened(name, 36), fontweight="bold")
        if column == 0:
            axes.set_ylabel(outcome.objectives[objective].name)
        else:
            axes.tick_params(axis="y", labelleft=False)
    bar = figure.colorbar(ScalarMappable(span, look.time), ax=figure.axes, location="top", aspect=60, shrink=0.5,
                          anchor=(1.0, 0.0), pad=0.02,
                          ticks=MaxNLocator(6, integer=True, min_n_ticks=1))  # fmt: skip
    bar.outline.set_visible(False)
    bar.set_label("trial", fontsize=8.5)
    bar.ax.tick_params(labelsize=8, length=2)
    return figure


def _spread(axis: Axis, name: str, trial: Trial) -> float:
    """A trial's place on a parameter's axis; equal names are spread a little, so that all are seen."""
    place = axis.place(trial.settings[name])
    if axis.kind != "names":
        return place
    golden = (trial.number * 0.618034) % 1 - 0.5
    return place + golden * SPREAD / max(len(axis.names), 3)
