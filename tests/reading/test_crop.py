"""Digits that were cut out along their own box, so that no paper around them tells which is the ink."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digits.reading.crop import whole_digits
from digits.reading.reader import Reader
from tests.reading.drawing import draw


def cut_out(digit: str, pen: float, side: int, stretched: bool = False) -> npt.NDArray[np.uint8]:
    """A digit in black on white, without margin above and below it, and beside it none where it is `stretched`."""
    page = draw(digit, height=160, pen=round(160 * pen), ink=(0, 0, 0), paper=(255, 255, 255))
    rows, columns = (np.flatnonzero((page.pixels < 128).any((axis, 2))) for axis in (1, 0))
    ink = page.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if not stretched and (beside := (len(rows) - len(columns)) // 2) > 0:
        ink = np.pad(ink, ((0, 0), (beside, beside), (0, 0)), constant_values=255)
    return cv2.resize(ink, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("pen", [0.06, 0.12, 0.2])
@pytest.mark.parametrize("side", [16, 64])
def test_a_digit_on_16_by_16_pixels_is_read(reader: Reader, side: int, pen: float, inverted: bool) -> None:
    for digit in "0123456789":
        small = cut_out(digit, pen, 16)
        pixels = np.kron(small, np.ones((side // 16, side // 16, 1), np.uint8))
        ((found),) = reader.read(255 - pixels if inverted else pixels).digits
        assert found.label == int(digit)
        assert found.box[1] <= side // 16
        assert found.box[3] >= side - 2 * (side // 16)


@pytest.mark.parametrize("inverted", [False, True])
def test_ink_is_told_from_paper_where_there_is_more_ink(reader: Reader, inverted: bool) -> None:
    for digit in "02356":
        pixels = cut_out(digit, 0.26, 48, stretched=True)
        assert (pixels < 128).mean() > 0.5
        assert reader.read(255 - pixels if inverted else pixels).text == digit


def test_two_digits_are_not_taken_for_one(reader: Reader) -> None:
    pixels = np.concatenate([cut_out("7", 0.1, 40), cut_out("3", 0.1, 40)], 1)[:, 4:-4]
    assert reader.read(pixels).text == "73"
    assert reader.read(255 - pixels).text == "73"


def test_light_and_shadow_are_no_digit_that_fills_the_picture() -> None:
    high, wide = 200, 150
    slope = np.linspace(60, 250, high)[:, None].repeat(wide, 1)
    grain = np.random.default_rng(0).normal(0, 3, (high, wide))
    for light in (slope, np.where(np.arange(wide) < 60, 0.6, 1) * slope):
        pixels = np.repeat((light + grain).clip(0, 255).astype(np.uint8)[..., None], 3, 2)
        assert whole_digits(pixels) == []


def test_both_polarities_are_tried_only_where_the_border_leaves_them_open() -> None:
    tight = cut_out("2", 0.12, 32)
    assert len(whole_digits(tight)) == 2
    framed = np.pad(tight, ((1, 1), (1, 1), (0, 0)), constant_values=255)
    (piece,) = whole_digits(framed)
    assert piece.ink[0].max() > 0
    assert (piece.ink > 128).mean() < 0.5
    assert whole_digits(np.pad(tight, ((9, 9), (9, 9), (0, 0)), constant_values=255)) == []
    assert whole_digits(np.full((32, 32, 3), 255, np.uint8)) == []
    assert whole_digits(np.zeros((3, 700, 3), np.uint8)) == []
