"""What the figures of a search have in common: their colours, and how an axis is marked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from digits.plots.theme import THEMES, WIDTH, png
from digits.tuning.plotting.axis import Axis
from digits.tuning.results import Outcome

MARGIN = 0.045  # of an axis, at either end
ROOM = 66  # characters that fit below a plot
MOST_LINES = 3  # of names below a plot


class Look(NamedTuple):
    """A theme's colours, and those that only a search's plots need."""

    paper: str
    ink: str
    faint: str
    accent: str
    soft: str  # pruned trials and what is said in passing
    early: str
    late: str

    @property
    def good(self) -> LinearSegmentedColormap:
        """From the worst to the best value."""
        return LinearSegmentedColormap.from_list("good", [self.faint, self.early, self.accent])

    @property
    def time(self) -> LinearSegmentedColormap:
        """From the first to the last trial."""
        return LinearSegmentedColormap.from_list("time", [self.early, self.late])


LOOKS = {
    "light": Look(*THEMES["light"], "#8d887c", "#b4cbdd", "#1f5480"),
    "dark": Look(*THEMES["dark"], "#8a8a88", "#3d5c76", "#b9ddfa"),
}


def render(draw: Callable[[Outcome, Look], Figure], outcome: Outcome, theme: str) -> bytes:
    """One figure as a PNG in a theme's colours."""
    look = LOOKS[theme]
    more = {
        "text.parse_math": False,  # names may hold $
        "xtick.color": look.faint,
        "ytick.color": look.faint,
        "xtick.labelcolor": look.ink,
        "ytick.labelcolor": look.ink,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for it, and the page has the name
        return png(lambda: draw(outcome, look), THEMES[theme], 10, more)


def say(text: str, look: Look) -> Figure:
    """A sentence in place of a figure that would show nothing."""
    figure = Figure(figsize=(WIDTH, 0.9))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=look.soft, fontstyle="italic", wrap=True)
    return figure


def mark_x(axes: Axes, axis: Axis, room: int) -> None:
    """Write an axis's ticks below a plot; names that don't fit side by side go on several lines."""
    lines = next((n for n in range(1, MOST_LINES) if not axis.crowded(room * n)), MOST_LINES)
    ticks = axis.ticks(most=6, room=room * lines)
    texts = ["\n" * (i % lines) + text for i, (_, text) in enumerate(ticks)]
    axes.set_xticks([place for place, _ in ticks], texts)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.set_xlim(-MARGIN, 1 + MARGIN)


def mark_y(axes: Axes, axis: Axis) -> None:
    """Write an axis's ticks beside a plot."""
    ticks = axis.ticks()
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.tick_params(axis="y", labelsize=8.5)
    axes.set_ylim(-MARGIN, 1 + MARGIN)
    axes.grid(axis="y", color=mpl.rcParams["axes.edgecolor"], alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)
