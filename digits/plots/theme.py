"""The colours of the pages, light and dark, and a figure drawn in them as a PNG.

Never pyplot: it keeps every figure it made, and asks for a screen.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

WIDTH = 6.4  # inches; with 10 or 11 points the text is still readable on a phone


class Theme(NamedTuple):
    """Ink is dark on light paper and light on dark paper, like the text around it."""

    paper: str
    ink: str
    faint: str
    accent: str


THEMES = {
    "light": Theme("#fdfcf9", "#26241f", "#c9c5ba", "#b3401f"),
    "dark": Theme("#17181b", "#dcd8cf", "#4a4b50", "#f0875f"),
}


def png(draw: Callable[[], Figure], theme: Theme, points: int, more: Mapping[str, object]) -> bytes:
    """What a function draws in a theme's colours, with text of so many points and `more` of matplotlib's settings."""
    settings = {
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.faint,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": points,
        "axes.titlelocation": "left",
        "font.size": points,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        **more,
    }
    with mpl.rc_context(settings):  # type: ignore[arg-type]  # its keys are typed one by one
        buffer = io.BytesIO()
        draw().savefig(buffer, format="png", dpi=160)
    return buffer.getvalue()
