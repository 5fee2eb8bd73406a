"""Digits cut out of a picture, as image_folder takes them."""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digits.reading.patch import box_patches, one_digit
from digits.reading.pictures import Picture, from_array, open_picture
from digits.reading.result import Digit
from digits.serving.cutting import LONGEST, MARGIN, as_png, cut, has_ink
from tests.support.drawing import Box, draw

Pixels = npt.NDArray[np.uint8]
PATCH = np.zeros((28, 28), np.uint8)


def cuts(picture: Picture, boxes: list[Box]) -> list[Pixels]:
    return cut(picture, [Digit(1, 1.0, (0.1,) * 10, box, 0, PATCH) for box in boxes])


def patch_of(part: Pixels) -> Pixels:
    """What image_folder makes of a file."""
    return one_digit(open_picture(as_png(part)).grey)


def alone(pixels: Pixels, box: Box, paper: int) -> Pixels:
    """The patch of a digit, with nothing but paper around it."""
    x, y, wide, high = box
    room = max(wide, high)
    grey = np.asarray(cv2.cvtColor(pixels[y : y + high, x : x + wide], cv2.COLOR_RGB2GRAY), np.uint8)
    middle = np.array([[room + wide / 2, room + high / 2, wide, high]], np.float32)
    patch: Pixels = box_patches(np.pad(grey, room, constant_values=paper), middle)[0]
    return patch


@pytest.mark.parametrize(("text", "height", "pen"), [
    ("2026\n3157", 60, 6), ("11111", 60, 6), ("0123456789\n9876543210", 30, 4), ("5", 300, 20),
])  # fmt: skip
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("tight", [False, True])
def test_each_becomes_the_patch_of_that_digit_alone(text: str, height: int, pen: int, dark: bool, tight: bool) -> None:
    """Whatever stands beside it, and even where the picture ends at its ink."""
    drawing = draw(text, height, pen)
    pixels, boxes, paper = drawing.pixels, drawing.boxes, 243
    if dark:
        pixels, paper = 255 - pixels, 12
    if tight:
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, bottom = max(x + wide for x, _, wide, _ in boxes), max(y + high for _, y, _, high in boxes)
        pixels = np.ascontiguousarray(pixels[top:bottom, left:right])
        boxes = [(x - left, y - top, wide, high) for x, y, wide, high in boxes]
    parts = cuts(from_array(pixels), boxes)
    assert len(parts) == len(boxes)
    for part, box in zip(parts, boxes, strict=True):
        assert np.abs(patch_of(part).astype(int) - alone(pixels, box, paper)).mean() < 8  # of 255; another's: over 30


def test_it_is_the_picture_around_the_box_in_its_colours() -> None:
    drawing = draw("7", ink=(200, 30, 60))
    ((x, y, wide, high),) = drawing.boxes
    (part,) = cuts(from_array(drawing.pixels), drawing.boxes)
    margin = 1 + MARGIN * max(wide, high)
    rows = slice(floor(y - margin), ceil(y + high + margin))
    assert np.array_equal(part, drawing.pixels[rows, floor(x - margin) : ceil(x + wide + margin)])
    assert np.array_equal(open_picture(as_png(part)).pixels, part)


def test_boxes_are_of_the_picture_as_it_was_before_it_was_reduced() -> None:
    drawing = draw("26")
    plain = cuts(from_array(drawing.pixels), drawing.boxes)
    high, wide = drawing.pixels.shape[:2]
    boxes = [(4 * x, 4 * y, 4 * w, 4 * h) for x, y, w, h in drawing.boxes]
    assert all(map(np.array_equal, cuts(Picture(drawing.pixels, 4 * wide, 4 * high), boxes), plain))


def test_what_is_large_is_reduced() -> None:
    drawing = draw("8", height=1500, pen=90)
    (part,) = cuts(from_array(drawing.pixels), drawing.boxes)
    assert max(part.shape) == LONGEST
    assert np.abs(patch_of(part).astype(int) - alone(drawing.pixels, drawing.boxes[0], 243)).mean() < 8


def test_a_box_anywhere_gives_a_picture() -> None:
    """However small, at a corner, all of the picture, twice, or one in another."""
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 256, (40, 60, 3), np.uint8)
    boxes = [(0, 0, 1, 1), (59, 39, 1, 1), (0, 0, 60, 40), (0, 0, 60, 40), (20, 10, 5, 5), (30, 0, 1, 40)]
    assert all(part.dtype == np.uint8 and min(part.shape) > 0 for part in cuts(from_array(pixels), boxes))
    assert cuts(from_array(pixels), []) == []


def test_paper_alone_has_no_ink() -> None:
    assert not has_ink(np.full((40, 30, 3), 240, np.uint8))
    assert has_ink(cuts(from_array(draw("3").pixels), draw("3").boxes)[0])
