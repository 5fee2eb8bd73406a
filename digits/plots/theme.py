"""The colours of every plot and page.

Plots use the light page's colours; on a dark page the CSS filter `DARK_PLOT` inverts their lightness and keeps hues.
"""

from __future__ import annotations

PAPER, INK, SOFT, FAINT = "#fdfcf9", "#26241f", "#6b675e", "#c9c5ba"
ACCENT, BLUE = "#b3401f", "#2f6f9f"  # also of mistakes, and of correct predictions

DARK = {"paper": "#1a1917", "ink": "#dcd8cf", "soft": "#9b978e", "faint": "#4a4b50", "accent": "#f0875f"}
DARK_PLOT = "invert(.91) hue-rotate(180deg)"  # turns white paper into the dark page's


def rgb(colour: str) -> tuple[int, int, int]:
    """A colour of the theme as red, green and blue, 0..255."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
