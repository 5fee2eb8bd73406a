"""From a picture's pixels to the pieces of ink on it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.components import Piece
from digits.reading.frames import find_panel, holds_table
from digits.reading.ink import find_ink
from digits.reading.pieces import find_pieces
from digits.reading.rules import without_rules

LONGEST = 1600
"""Longest side, in pixels, at which a picture is read; larger ones are reduced to it."""


def find_writing(pixels: npt.NDArray[np.uint8]) -> tuple[list[Piece], int, tuple[int, int]]:
    """The pieces of ink on a picture, uint8 (h, w, 3) RGB; how many more there are; the height and width looked at."""
    high, wide = pixels.shape[:2]
    if (factor := LONGEST / max(high, wide)) < 1:
        size = max(1, round(wide * factor)), max(1, round(high * factor))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    panel = find_panel(pixels)
    seen = pixels if panel is None else np.ascontiguousarray(pixels[panel])
    ink = find_ink(seen)
    plain = without_rules(ink)
    pieces, left_out = find_pieces(ink if plain is not ink and holds_table(ink) else plain)
    if panel is not None:
        left, top = int(panel[1].start), int(panel[0].start)
        pieces = [Piece(piece.left + left, piece.top + top, piece.ink) for piece in pieces]
    return pieces, left_out, (pixels.shape[0], pixels.shape[1])
