"""The pieces of ink on a picture that may be writing: neither frames, nor specks, nor what lies along its edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from digits.reading.components import LOW, Grey, Piece, connected
from digits.reading.frames import without_frames

SMALLEST, TINY = 8, 64
"""Size in pixels below which nothing can be told from noise; half of it on pictures of at most TINY pixels."""
MOST = 1000
"""Pieces that are looked at on a page, the largest: more would take long, and nearly always are no writing."""
WHOLE = 0.92
"""What is at the edge but fills so much of the picture's width and height is a digit that was cut out along its box."""
LINE = 0.6
"""A line of writing is that high, of the picture's height, where the picture was cut out along its box."""
EDGE = 0.5
"""What lies along the picture's edge for this share of its length is a desk or a shadow."""


def find_pieces(ink: Grey) -> tuple[list[Piece], int]:
    """The connected pieces of a picture's ink, uint8 (H, W), without specks and without what lies along its edge.

    And how many were not looked at, because there are more than `MOST`.
    """
    high, wide = ink.shape
    pieces: list[Piece] = []
    edge: list[Piece] = []
    found, number = connected(ink, 2, MOST)
    for piece in found:
        sides = piece.ink[0], piece.ink[-1], piece.ink[:, 0], piece.ink[:, -1]
        at = piece.top == 0, piece.bottom == high, piece.left == 0, piece.right == wide
        touching = sum(int((side >= LOW).sum()) for side, there in zip(sides, at, strict=True) if there)
        area = int((piece.ink >= LOW).sum())
        (edge if touching > EDGE * piece.size and area < 0.9 * high * wide else pieces).append(piece)
    pieces = without_frames(pieces)
    if pieces:  # a line of writing may be cut out along its box
        pieces += [piece for piece in edge if piece.height >= LINE * high and _alike(piece, pieces)]
    else:  # or a digit
        pieces = [piece for piece in edge if piece.width >= WHOLE * wide and piece.height >= WHOLE * high]
    kept = _without_specks(pieces, SMALLEST if min(high, wide) > TINY else SMALLEST // 2)
    return kept, max(0, number - MOST)


def _alike(piece: Piece, pieces: Sequence[Piece]) -> bool:
    """Whether a piece at the edge is as high as the other pieces, and its strokes as wide: it is writing, no desk."""
    highest = max(other.height for other in pieces)
    main = [other for other in pieces if other.height >= 0.6 * highest]
    height = float(np.median([other.height for other in main]))
    stroke = float(np.median([other.stroke for other in main]))
    return 0.7 * height <= piece.height <= 1.4 * height and piece.stroke <= 1.6 * stroke


def _without_specks(pieces: list[Piece], smallest: int) -> list[Piece]:
    """Without what is small beside the rest, dots of about a stroke's width among it."""
    if not pieces:
        return []
    largest = max(piece.size for piece in pieces)
    if largest < smallest:
        return []
    main = [piece for piece in pieces if piece.size >= 0.4 * largest]
    height = float(np.median([piece.size for piece in main]))
    stroke = float(np.median([piece.stroke for piece in main]))
    dot = min(1.3 * stroke, 0.2 * height)
    return [piece for piece in pieces if piece.size > max(0.1 * height, dot)]
