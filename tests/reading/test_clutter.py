"""Pictures with thousands of marks that are no digits are read in seconds: time can be eaten as well as memory."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from digits.reading.reader import Reader
from tests.reading.drawing import Pixels

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
    "kind", ["specks", "noise", "squares", "ruled lines", "squared paper", "a chessboard", "strokes"]
)
def test_clutter_takes_a_bounded_time(kind: str) -> None:
    reader = Reader()
    begun = time.process_time()
    reader.read(clutter(kind))
    assert time.process_time() - begun < SECONDS
