"""Ink told from paper."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from digits.reading.ink import find_ink
from digits.reading.rules import without_rules
from tests.reading.drawn import Page

PAPER, PEN = (225, 220, 205), (40, 40, 120)


Mask = npt.NDArray[np.bool_]


def shared(found: Mask, true: Mask) -> float:
    """Intersection over union."""
    return float((found & true).sum() / max(1, (found | true).sum()))


def page() -> Page:
    made = Page(420, 160)
    made.write("3705", 40, 40, 80, 8)
    return made


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("light", ["even", "corner", "edge", "stripe"])
def test_ink_is_found_in_any_light_and_nothing_else(light: str, dark: bool) -> None:
    drawn = page()
    rows, columns = np.mgrid[0 : drawn.high, 0 : drawn.wide]
    lights = {
        "even": np.ones(drawn.ink.shape),
        "corner": 1 - 0.6 * (rows / drawn.high + columns / drawn.wide) / 2,
        "edge": np.where(columns + rows < 260, 1.0, 0.65),
        "stripe": np.where(abs(columns - 200) < 90, 0.7, 1.0),
    }
    pixels = drawn.picture(PAPER, PEN, lights[light]) if dark else drawn.picture((30, 30, 30), (230, 230, 230))
    assert shared(find_ink(pixels) >= 128, drawn.ink > 0.5) > 0.98


def test_ink_is_soft_at_the_edge_of_a_stroke_and_full_inside() -> None:
    drawn = page()
    ink = find_ink(drawn.picture())
    assert ink.dtype == np.uint8
    assert (ink[drawn.ink == 1] > 240).all()
    assert (ink[drawn.ink == 0] == 0).all()
    assert ((ink > 20) & (ink < 235)).sum() > 100


def test_ink_fills_most_of_a_small_picture() -> None:
    drawn = Page(22, 28)
    drawn.write("8", 5, 5, 18, 5)
    assert (drawn.ink > 0.5).mean() > 0.35
    for pixels in (drawn.picture(), 255 - drawn.picture()):
        assert shared(find_ink(pixels) >= 128, drawn.ink > 0.5) > 0.9


@pytest.mark.parametrize("spread", [0, 3, 12, 30])
def test_grain_is_no_ink(spread: float) -> None:
    grain = np.random.default_rng(1).normal(190, spread, (300, 400, 3)).clip(0, 255).astype(np.uint8)
    assert not find_ink(grain).any()


def test_grey_and_coloured_pictures_have_the_same_ink() -> None:
    drawn = page()
    rows, columns = np.mgrid[0 : drawn.high, 0 : drawn.wide]
    for light in (None, 1 - 0.5 * (rows + columns) / (drawn.high + drawn.wide)):
        grey = drawn.picture((220, 220, 220), (60, 60, 60), light)
        coloured = grey.copy()
        coloured[0, 0, 0] ^= 1  # not quite grey, and so all three channels are looked at
        assert np.abs(find_ink(grey).astype(int) - find_ink(coloured)).max() <= 2


def test_faint_ink_counts_as_much_as_dark_ink() -> None:
    drawn = page()
    faint, dark = (find_ink(drawn.picture((240, 240, 240), (pen, pen, pen))).astype(int) for pen in (190, 0))
    assert np.abs(faint - dark).mean() < 2


def test_ruled_lines_go_and_the_strokes_that_cross_them_stay() -> None:
    drawn = page()
    ruled = drawn.ink.copy()
    ruled[::20] = ruled[1::20] = 1
    left = without_rules((ruled * 255).astype(np.uint8)) >= 128
    assert shared(left, drawn.ink > 0.5) > 0.85  # what runs along a line goes with it
    tilted = drawn.ink.copy()
    for column in range(drawn.wide):
        tilted[(np.arange(10, drawn.high - 10, 24) + column // 60, column)] = 1
    assert shared(without_rules((tilted * 255).astype(np.uint8)) >= 128, drawn.ink > 0.5) > 0.95


def test_a_long_stroke_is_no_ruled_line() -> None:
    for text in "147":
        drawn = Page(90, 120)
        drawn.write(text, 10, 5, 110, 4)
        ink = (drawn.ink * 255).astype(np.uint8)
        assert (without_rules(ink) == ink).all()
