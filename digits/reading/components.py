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


def connected(ink: Grey, least: int = 1, most: int | None = None) -> tuple[list[Piece], int]:
    """The connected pieces of ink, uint8 (H, W), whose longer side is at least so many pixels, the `most` largest.

    And how many such there are, with those that are faint all over, which are left out.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats((ink >= LOW).astype(np.uint8), connectivity=8)
    sizes = stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    large = 1 + np.flatnonzero(sizes >= max(least, sizes.max(initial=0) / 40))
    pieces: list[Piece] = []
    for number in large[np.argsort(-sizes[large - 1], kind="stable")[:most]]:
        x, y, w, h = (int(value) for value in stats[number][:4])
        box = slice(y, y + h), slice(x, x + w)
        own = np.where(labels[box] == number, ink[box], 0).astype(np.uint8)
        if own.max() >= SEED:
            pieces.append(Piece(x, y, own))
    return pieces, len(large)


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
