"""The one digit of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digits.reading.patch import as_mnist
from digits.reading.pictures import PictureError
from digits.reading.single import one_digit


def page(*lines: tuple[int, int, int, int], size: int = 200) -> Image.Image:
    image = Image.new("RGB", (size, size), "white")
    for line in lines:
        ImageDraw.Draw(image).line(line, fill="black", width=8)
    return image


def test_strokes_that_do_not_touch_are_one_digit_and_what_is_far_is_not() -> None:
    strokes = (60, 40, 120, 40), (60, 55, 60, 100), (64, 112, 120, 112)
    alone = one_digit(np.asarray(page(*strokes)))
    with_more = one_digit(np.asarray(page(*strokes, (180, 150, 180, 175))))
    assert np.array_equal(alone, with_more)
    rows = np.flatnonzero(alone.any(1))
    assert rows[-1] - rows[0] + 1 == 20  # from the top stroke to the bottom one
    ink = np.asarray(page(*strokes).convert("L"))
    assert np.abs(alone.astype(int) - as_mnist(255 - ink)).mean() < 4


def test_polarity_and_size_do_not_matter() -> None:
    dark = page((60, 40, 120, 40), (120, 40, 80, 150))
    patch = one_digit(np.asarray(dark))
    light = one_digit(255 - np.asarray(dark))
    large = one_digit(np.asarray(dark.resize((2400, 2400), Image.Resampling.BICUBIC)))
    assert np.abs(patch.astype(int) - light).mean() < 1
    assert np.abs(patch.astype(int) - large).mean() < 4


@pytest.mark.parametrize("colour", [0, 127, 255])
def test_a_blank_page_is_told(colour: int) -> None:
    with pytest.raises(PictureError, match="no ink was found on the picture; take one on which the writing stands out"):
        one_digit(np.full((60, 80, 3), colour, np.uint8))
