"""The layouts of pages: their writing, the sizes of their pages, and their frequency."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from digits.data.pages.layouts import equations, forms, singles, strings, wordings
from digits.data.pages.layouts.writing import Scribe
from digits.data.pages.page import Random
from digits.data.pages.paper.light import log_uniform

PAGE = 384  # height and width of most pages, in pixels
PHOTO, SCREEN, RAW = "photo", "screen", "raw"  # a page as a camera mostly sees it, on a screen, or as bare ink
BLANK = "no digit, "  # prefix of the names of layouts without digits


class Layout(NamedTuple):
    """A way to fill a page."""

    weight: float  # relative frequency; layouts without a digit are a fifth of all pages
    write: Callable[[Scribe], None] | None  # None: the picture is of things, not of a page
    size: Callable[[Random], tuple[int, int]]  # height, width
    looks: tuple[float, float, float] = (0.9, 0.1, 0.0)  # shares of PHOTO, SCREEN and RAW


def whole(random: Random) -> tuple[int, int]:
    """A page's usual size, or a smaller one."""
    if random.random() < 0.8:
        return PAGE, PAGE
    return int(random.integers(160, PAGE + 1)), int(random.integers(160, PAGE + 1))


def any_size(random: Random) -> tuple[int, int]:
    """A size from a postage stamp's to a page's, roughly square."""
    side = log_uniform(random, 32, PAGE)
    longer = min(PAGE, side * random.uniform(1, 1.6))
    sides = round(side), round(longer)
    return sides if random.random() < 0.5 else sides[::-1]


def large(random: Random) -> tuple[int, int]:
    """A size of at least 160 pixels each way."""
    return int(random.integers(160, PAGE + 1)), int(random.integers(160, PAGE + 1))


def strip(random: Random) -> tuple[int, int]:
    """A wide and low size, for a line or two."""
    return round(log_uniform(random, 32, 150)), round(log_uniform(random, 128, PAGE))


def roll(random: Random) -> tuple[int, int]:
    """A wide size, high enough for slanting lines that are cut out afterwards."""
    return int(random.integers(110, 260)), PAGE


def tiny(random: Random) -> tuple[int, int]:
    """A size as that of a data set's images or of a small canvas."""
    side = int(random.choice([24, 28, 28, 28, 28, 32, 32, 40, 48, 50, 64, 72]))
    return side, int(side * random.choice([1, 1, 1, 1, 1, 1.4, 2]))


def mnist(_: Random) -> tuple[int, int]:
    """The size of MNIST's images."""
    return singles.MNIST, singles.MNIST


def mnist_row(random: Random) -> tuple[int, int]:
    """The size of two to twelve of MNIST's images side by side."""
    return singles.MNIST, singles.MNIST * int(random.integers(2, 13))


def canvas(random: Random) -> tuple[int, int]:
    """The size of a canvas of so few pixels that each is visible."""
    side = int(random.integers(16, 41))
    return side, side if random.random() < 0.8 else min(96, 2 * side)


LAYOUTS: dict[str, Layout] = {
    "lines": Layout(9, strings.write_lines, whole),
    "strip": Layout(3.5, strings.write_lines, strip),
    "paragraph": Layout(4, strings.write_paragraph, whole),
    "touching": Layout(6.5, strings.write_touching, whole),
    "overlapping": Layout(4, strings.write_overlapping, whole),
    "cut string": Layout(8, strings.write_cut_string, roll),
    "amounts": Layout(3.5, strings.write_amounts, strip),
    "dates": Layout(4, strings.write_dates, whole),
    "sequence": Layout(3, strings.write_sequence, whole),
    "sizes": Layout(4, strings.write_sizes, whole),
    "equations": Layout(5, equations.write_equations, whole),
    "equation strip": Layout(2, equations.write_equations, strip),
    "system": Layout(2, equations.write_system, whole),
    "fractions": Layout(1.5, equations.write_fractions, whole),
    "sum": Layout(1.5, equations.write_sum, whole),
    "scatter": Layout(4, equations.write_scatter, whole),
    "columns": Layout(3, forms.write_columns, whole),
    "table": Layout(5, forms.write_table, whole),
    "form": Layout(3.5, forms.write_form, whole),
    "single": Layout(5, singles.write_single, any_size, (0.55, 0.45, 0)),
    "cut single": Layout(3, singles.write_cut_single, any_size, (0.6, 0.4, 0)),
    "thin": Layout(3.5, singles.write_thin, large, (0.5, 0.5, 0)),
    "tiny": Layout(2.5, singles.write_tiny, tiny, (0.25, 0.6, 0.15)),
    "mnist": Layout(2, singles.write_mnist, mnist, (0.05, 0.15, 0.8)),
    "mnist row": Layout(1.5, singles.write_mnist_row, mnist_row, (0.05, 0.15, 0.8)),
    "pixels": Layout(2, singles.write_pixels, canvas, (0, 0.6, 0.4)),
    BLANK + "words": Layout(5, wordings.write_words, whole),
    BLANK + "letters": Layout(4, wordings.write_letters, whole),
    BLANK + "one letter": Layout(3.5, wordings.write_one_letter, any_size, (0.5, 0.5, 0)),
    BLANK + "tiny letter": Layout(1.5, wordings.write_one_letter, tiny, (0.2, 0.5, 0.3)),
    BLANK + "pixels": Layout(1.5, singles.write_pixel_letters, canvas, (0, 0.6, 0.4)),
    BLANK + "print": Layout(2, wordings.write_print, whole),
    BLANK + "shapes": Layout(2.5, wordings.write_shapes, whole),
    BLANK + "paper": Layout(2, wordings.write_nothing, whole, (0.95, 0.05, 0)),
    BLANK + "things": Layout(6, None, any_size),
}
