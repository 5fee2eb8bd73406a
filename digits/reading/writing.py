"""From a picture's pixels to the pieces of ink on it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.components import Piece, find_pieces
from digits.reading.ink import find_ink
from digits.reading.rules import without_rules

LONGEST = 1600
"""Longest side, in pixels, at which a picture is read; larger ones are reduced to it."""


def find_writing(pixels: npt.NDArray[np.uint8]) -> tuple[list[Piece], int, tuple[int, int]]:
    """The pieces of ink on a picture, uint8 (h, w, 3) RGB; how many more there are; the height and width looked at."""
    high, wide = pixels.shape[:2]
    if (factor := LONGEST / max(high, wide)) < 1:
        size = max(1, round(wide * factor)), max(1, round(high * factor))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    pieces, left_out = find_pieces(without_rules(find_ink(pixels)))
    return pieces, left_out, (pixels.shape[0], pixels.shape[1])
