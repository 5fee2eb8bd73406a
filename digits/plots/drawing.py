"""Matplotlib in the colours of the theme, and figures as PNG.

Without pyplot, which keeps every figure in memory and may need a display.
"""

from __future__ import annotations

import io
from typing import Literal

from matplotlib import rc_context
from matplotlib.figure import Figure

from digits.plots.theme import FAINT, INK, PAPER, SOFT

STYLE = rc_context(
    {
        "figure.dpi": 120,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": SOFT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlepad": 10,
        "axes.titlesize": 10,
        "grid.color": FAINT,
        "legend.frameon": False,
        "xtick.color": SOFT,
        "xtick.labelcolor": INK,
        "ytick.color": SOFT,
        "ytick.labelcolor": INK,
    }
)
"""Decorator for functions that make or draw figures: ticks get their style when they are drawn."""


CARD, CARD_DPI = 5.0, 100  # width of a figure in inches, and its resolution: 500 pixels, as wide as a TensorBoard card


def png(figure: Figure, dpi: float | Literal["figure"] = "figure") -> bytes:
    """A figure as a PNG file's content, in its own resolution or another one in dots per inch."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()
