"""Pictures with thousands of marks that are no digits are read in seconds: time can be eaten as well as memory."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from digits.reading.pieces import MOST
from digits.reading.reader import Reader
from tests.reading.drawing import Pixels, draw

SIDE = 2_000
SECONDS = 10
"""Of processor time, for 4 megapixels; a page of writing takes about one."""


def clutter(kind: str) -> Pixels:
    """White paper, 2,000 pixels square, full of something."""
    y, x = np.mgrid[:SIDE, :SIDE]
    chance = np.random.default_rng(0)
    if kind == "specks":
        marks = chance.random((SIDE, SIDE)) < 0.02
    elif kind == "noise":
        marks = chance.random((SIDE, SIDE)) < 0.5
    elif kind == "squares":
        marks = (y % 24 < 12) & (x % 24 < 12)
    elif kind == "ruled lines":
        marks = y % 20 < 3
    elif kind == "squared paper":
        marks = (y % 20 < 3) | (x % 20 < 3)
    elif kind == "thin lines":  # each a piece thousands of times as wide as high
        marks = (y % 3 == 0) & (abs(x - SIDE / 2) < SIDE / 2 - 20)
    elif kind == "long bars":  # each of the shape of a word whose letters touch
        marks = (y % 24 < 9) & (x % 130 < 100)
    elif kind == "a chessboard":
        marks = (y // 8 + x // 8) % 2 == 1
    else:
        strokes = np.zeros((SIDE, SIDE), np.uint8)
        for start, way in zip(chance.integers(0, SIDE, (3_000, 2)), chance.integers(-40, 40, (3_000, 2)), strict=True):
            cv2.line(strokes, start.tolist(), (start + way).tolist(), 255, 4)
        marks = strokes > 0
    return np.where(marks, 0, 255).astype(np.uint8)


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "kind",
    [
        *("specks", "noise", "squares", "ruled lines", "squared paper", "thin lines", "long bars", "a chessboard"),
        "strokes",
    ],
)
def test_clutter_takes_a_bounded_time(kind: str) -> None:
    reader = Reader()
    begun = time.process_time()
    reader.read(clutter(kind))
    assert time.process_time() - begun < SECONDS


def test_a_full_page_is_read_whole_and_a_fuller_one_says_that_it_is_not() -> None:
    line = draw("71" * 8, height=40, pen=5).pixels
    page = np.concatenate([line] * 20)  # 320 digits
    whole = Reader().read(page)
    assert whole.left_out == 0
    assert len(whole.digits) == 320
    dots = np.where((np.indices((SIDE, SIDE)) % 40 < 12).all(0), 0, 255).astype(np.uint8)  # 50 x 50 squares
    assert Reader().read(dots).left_out == 50 * 50 - MOST
