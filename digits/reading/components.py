"""Ink in connected pieces, and pieces joined to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

LOW, SEED = 50, 150
"""Pixels with at least LOW ink hang together; a piece has somewhere at least SEED (hysteresis, Canny 1986)."""
SMALLEST, TINY = 8, 64
"""Size in pixels below which nothing can be told from noise; half of it on pictures of at most TINY pixels."""
MOST = 1000
"""Pieces that are looked at on a page, the largest: more would take long, and nearly always are no writing."""
WHOLE = 0.92
"""What is at the edge but fills so much of the picture's width and height is a digit that was cut out along its box."""
EDGE = 0.5
"""What lies along the picture's edge for this share of its length is a desk or a shadow."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Ink that hangs together, or is taken to belong together."""

    left: int
    top: int
    ink: Grey
    """(height, width): its own ink, and none of what else lies in its box."""

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.ink.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.ink.shape[0])

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row after it."""
        return self.top + self.height

    @property
    def size(self) -> int:
        """The longer of its sides."""
        return int(max(self.ink.shape))

    @cached_property
    def stroke(self) -> float:
        """The width of its strokes in pixels: in a strip w wide the mean distance to its edge is (w + 2) / 4."""
        mask = np.pad((self.ink >= LOW).astype(np.uint8), 1)
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        return max(1.0, 4 * float(distance[mask > 0].mean()) - 2)


def join(pieces: Sequence[Piece]) -> Piece:
    """Several pieces as one."""
    if len(pieces) == 1:
        return pieces[0]
    left, top = min(piece.left for piece in pieces), min(piece.top for piece in pieces)
    right, bottom = max(piece.right for piece in pieces), max(piece.bottom for piece in pieces)
    ink = np.zeros((bottom - top, right - left), np.uint8)
    for piece in pieces:
        part = ink[piece.top - top : piece.bottom - top, piece.left - left : piece.right - left]
        np.maximum(part, piece.ink, out=part)
    return Piece(left, top, ink)


def find_pieces(ink: Grey) -> tuple[list[Piece], int]:
    """The connected pieces of a picture's ink, uint8 (H, W), without specks and without what lies along its edge.

    And how many were not looked at, because there are more than `MOST`.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((ink >= LOW).astype(np.uint8), connectivity=8)
    if count == 1:
        return [], 0
    high, wide = ink.shape
    sizes = stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    pieces: list[Piece] = []
    edge: list[Piece] = []
    large = 1 + np.flatnonzero(sizes >= max(2, sizes.max() / 40))
    for number in large[np.argsort(-sizes[large - 1], kind="stable")[:MOST]]:
        x, y, w, h, area = (int(value) for value in stats[number])
        box = slice(y, y + h), slice(x, x + w)
        mask = labels[box] == number
        own = np.where(mask, ink[box], 0).astype(np.uint8)
        if own.max() < SEED:
            continue
        touching = (
            (int(mask[0].sum()) if y == 0 else 0)
            + (int(mask[-1].sum()) if y + h == high else 0)
            + (int(mask[:, 0].sum()) if x == 0 else 0)
            + (int(mask[:, -1].sum()) if x + w == wide else 0)
        )
        if touching > EDGE * max(w, h) and area < 0.9 * high * wide:
            edge.append(Piece(x, y, own))
            continue
        pieces.append(Piece(x, y, own))
    if pieces:  # a line of writing may be cut out along its box
        pieces += [piece for piece in edge if _alike(piece, pieces)]
    else:  # or a digit
        pieces = [piece for piece in edge if piece.width >= WHOLE * wide and piece.height >= WHOLE * high]
    kept = _without_specks(pieces, SMALLEST if min(high, wide) > TINY else SMALLEST // 2)
    return kept, max(0, len(large) - MOST)


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
