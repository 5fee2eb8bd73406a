"""A search as figures: history, learning curves, parallel coordinates, importances, slices, the Pareto front.

Each is a pure function from an `Outcome` to matplotlib's Figure. Accuracies are per cent here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digits.plots.theme import WIDTH
from digits.tuning.plotting.axis import objective_axis, shortened, value_axis
from digits.tuning.plotting.canvas import LOOKS, MARGIN, ROOM, Look, mark_x, mark_y, render, say
from digits.tuning.plotting.importance import TOO_FEW, importances
from digits.tuning.plotting.parameters import parallel, slices
from digits.tuning.results import Outcome, outcome_of

Draw = Callable[[Outcome, Look], Figure]

NONE_COMPLETE = "No trial is complete yet."


def draw_all(study: optuna.Study) -> dict[tuple[str, str], bytes]:
    """Every figure in every theme as a PNG, by (figure, theme)."""
    outcome = outcome_of(study)
    draws = figures_of(study, outcome)
    return {(name, theme): render(draw, outcome, theme) for name, draw in draws.items() for theme in LOOKS}


def figures_of(study: optuna.Study, outcome: Outcome) -> dict[str, Draw]:
    """What draws each figure of a search, by the figure's name."""
    several = len(outcome.objectives) > 1
    first: dict[str, Draw] = {"pareto": pareto} if several else {"history": history, "curves": curves}
    slicing = {
        "slices" if i == 0 else f"slices_{i + 1}": partial(slices, objective=i) for i in range(len(outcome.objectives))
    }
    return {**first, "parallel": parallel, "importance": partial(importance, found=importances(study)), **slicing}


def best_so_far(outcome: Outcome) -> list[tuple[int, float]]:
    """Number and value of each complete trial that was better than all before it."""
    found: list[tuple[int, float]] = []
    for trial in outcome.trials:
        if trial.finite and (not found or _better(outcome, trial.values[0], found[-1][1])):
            found.append((trial.number, trial.values[0]))
    return found


def history(outcome: Outcome, look: Look) -> Figure:
    """Each trial's value in the order in which they ran, and the best so far."""
    if not outcome.trials:
        return say("There is no trial yet.", look)
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.add_subplot()
    axis = value_axis(outcome)
    complete = [trial for trial in outcome.trials if trial.finite]
    pruned = [trial for trial in outcome.trials if trial.state == "pruned" and not math.isnan(trial.last)]
    steps = best_so_far(outcome)
    last = max(trial.number for trial in outcome.trials)
    if steps:
        numbers, values = zip(*steps, (last, steps[-1][1]), strict=True)
        axes.step(numbers, [axis.place(value) for value in values], where="post", color=look.ink, linewidth=1.2,
                  label="best so far")  # fmt: skip
        up = outcome.objectives[0].maximize
        axes.annotate(f"{outcome.objectives[0].text(values[-1])}, trial {numbers[-2]}", (last, axis.place(values[-1])),
                      xytext=(0, 4 if up else -4), textcoords="offset points", ha="right", va="bottom" if up else "top",
                      fontsize=8.5)  # fmt: skip
    if pruned:
        axes.scatter([t.number for t in pruned], [axis.on_axis(t.last) for t in pruned], s=22, facecolors="none",
                     edgecolors=look.soft, linewidths=0.9, label="pruned", clip_on=False)  # fmt: skip
    axes.scatter([t.number for t in complete], [axis.on_axis(t.values[0]) for t in complete], s=26,
                 color=look.accent, linewidths=0, label="complete", zorder=3, clip_on=False)  # fmt: skip
    failed = [trial.number for trial in outcome.trials if trial.state == "failed"]
    if failed:
        edge = 0.0 if outcome.objectives[0].maximize else 1.0
        axes.scatter(failed, [edge] * len(failed), s=26, marker="x", color=look.ink, linewidths=1.1, label="failed",
                     clip_on=False)  # fmt: skip
    mark_y(axes, axis)
    axes.set_ylim(
        (-MARGIN, 1.1) if outcome.objectives[0].maximize else (-0.1, 1 + MARGIN)
    )  # room for the best one's name
    axes.set(xlabel="trial", ylabel=outcome.objectives[0].name)
    axes.set_xlim(-0.5 - 0.02 * last, last + 0.5 + 0.02 * last)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.tick_params(axis="x", labelsize=8.5)
    axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(-0.02, 1), fontsize=8.5, handletextpad=0.4,
                columnspacing=1.3)  # fmt: skip
    return figure


def curves(outcome: Outcome, look: Look) -> Figure:
    """The objective after each epoch, a line a trial; the pruned ones end where they were cut."""
    shown = [trial for trial in reversed(outcome.ranked()) if trial.curve]
    if not shown:
        return say("No trial has reported a value yet.", look)
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.add_subplot()
    axis = objective_axis(outcome.objectives[0], [value for trial in shown for value in trial.curve.values()])
    best = outcome.best()
    for trial in shown:
        epochs = [epoch + 1 for epoch in trial.curve]
        places = [axis.place(value) for value in trial.curve.values()]
        if trial.state == "complete":
            chosen = best is not None and trial.number == best.number
            axes.plot(epochs, places, color=look.accent if chosen else look.late, zorder=3 if chosen else 2,
                      linewidth=2 if chosen else 1, alpha=1 if chosen else 0.45)  # fmt: skip
        else:
            axes.plot(epochs, places, color=look.soft, linewidth=0.8, alpha=0.7)
        if len(epochs) == 1 or trial.state == "pruned":
            pruned = trial.state == "pruned"
            axes.plot(epochs[-1:], places[-1:], "o", markersize=3.6, markeredgewidth=0.9, markerfacecolor=look.paper,
                      markeredgecolor=look.soft if pruned else look.late)  # fmt: skip
    for label, colour, marker in (
        ("best" if best else "", look.accent, ""), ("complete", look.late, ""), ("pruned", look.soft, "o"),
    ):  # fmt: skip
        if label and (label == "best" or any(trial.state == label for trial in shown)):
            axes.plot([], [], color=colour, label=label, marker=marker, markersize=3.6, markerfacecolor=look.paper)
    mark_y(axes, axis)
    axes.set(xlabel="epoch", ylabel=outcome.objectives[0].name)
    most = max(epoch + 1 for trial in shown for epoch in trial.curve)
    axes.set_xlim(1 - 0.03 * most, most + 0.03 * most)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.tick_params(axis="x", labelsize=8.5)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1), fontsize=8.5)
    return figure


def importance(outcome: Outcome, look: Look, found: list[dict[str, float] | None]) -> Figure:
    """How much each parameter had to do with being among the best, for each objective; as `importances` found it."""
    if all(shares is None for shares in found):
        return say(TOO_FEW, look)
    drawn = [(aim.name, shares) for aim, shares in zip(outcome.objectives, found, strict=True) if shares]
    if not drawn:
        return say("No parameter stood out.", look)
    bars = [len(shares) for _, shares in drawn]
    figure = Figure(figsize=(WIDTH, 0.6 * len(drawn) + 0.3 * sum(bars)))
    grid = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=bars)[:, 0]
    most = max(max(shares.values()) for _, shares in drawn)
    for axes, (name, shares) in zip(grid, drawn, strict=True):
        places = range(len(shares))
        axes.barh(places, list(shares.values()), height=0.6, color=look.accent)
        for place, share in zip(places, shares.values(), strict=True):
            axes.text(share + 0.012 * most, place, f"{share:.2f}", va="center", fontsize=8.5)
        axes.set_yticks(places, [shortened(parameter, 28) for parameter in shares])
        axes.tick_params(axis="y", length=0)
        axes.set(xlim=(0, 1.1 * most), ylim=(len(shares) - 0.5, -0.5), xticks=[])
        axes.spines["bottom"].set_visible(False)
        if len(outcome.objectives) > 1:
            axes.set_title(name)
    return figure


def pareto(outcome: Outcome, look: Look) -> Figure:
    """The first objective against each other one; the trials that no other beats in all of them are marked."""
    complete = [trial for trial in outcome.trials if trial.finite]
    if not complete:
        return say(NONE_COMPLETE, look)
    others = range(1, len(outcome.objectives))
    figure = Figure(figsize=(WIDTH, 0.3 + 3.5 * len(others)))
    front = outcome.front
    rest = [trial for trial in complete if trial not in front]
    first = value_axis(outcome)
    for axes, other in zip(figure.subplots(len(others), 1, squeeze=False)[:, 0], others, strict=True):
        axis = value_axis(outcome, other)
        points = sorted((axis.on_axis(t.values[other]), first.on_axis(t.values[0])) for t in front)
        if len(others) == 1:  # with more objectives, no line in a plane bounds what is dominated
            where = "pre" if outcome.objectives[other].maximize else "post"
            axes.step(*zip(*points, strict=True), where=where, color=look.accent, linewidth=1, alpha=0.6)
        axes.scatter([axis.on_axis(t.values[other]) for t in rest], [first.on_axis(t.values[0]) for t in rest], s=22,
                     color=look.soft, alpha=0.6, linewidths=0, label="beaten by another", clip_on=False)  # fmt: skip
        axes.scatter(*zip(*points, strict=True), s=34, color=look.accent, linewidths=0, zorder=3, label="Pareto front",
                     clip_on=False)  # fmt: skip
        _number_apart(axes, [(axis.on_axis(t.values[other]), first.on_axis(t.values[0]), t.number) for t in front])
        mark_y(axes, first)
        mark_x(axes, axis, room=ROOM)
        axes.set(xlabel=outcome.objectives[other].name, ylabel=outcome.objectives[0].name)
    handles = axes.get_legend_handles_labels()
    figure.axes[0].legend(*handles, ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1), fontsize=8.5)
    return figure


def _number_apart(axes: Axes, points: list[tuple[float, float, int]]) -> None:
    """Write trials' numbers beside their points, where they don't lie on one another."""
    written: list[tuple[float, float]] = []
    for x, y, trial in points:
        if all(abs(x - a) > 0.05 or abs(y - b) > 0.07 for a, b in written):
            axes.annotate(str(trial), (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7.5)
            written.append((x, y))


def _better(outcome: Outcome, value: float, than: float) -> bool:
    aim = outcome.objectives[0]
    return aim.badness(value) < aim.badness(than)
