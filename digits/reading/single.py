"""The one digit of a picture that is known to hold no more, as the reader would see it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from digits.reading.components import Piece, join
from digits.reading.patch import as_mnist
from digits.reading.pictures import PictureError
from digits.reading.writing import find_writing

GAP = 0.3
"""Pieces farther than this from the rest, in sizes of the one with most ink, are no part of the digit."""


def one_digit(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The ink of a picture, uint8 (h, w, 3) RGB, as MNIST would have it: uint8 (28, 28), white on black.

    Strokes that don't touch are taken together; specks, what lies along the picture's edge and what is far from the
    rest are left out. Raises PictureError where no ink is found.
    """
    pieces, _, _ = find_writing(pixels)
    if not pieces:
        raise PictureError("no ink was found on the picture; take one on which the writing stands out from the paper")
    main = max(pieces, key=lambda piece: int(piece.ink.sum()))
    together, rest = [main], [piece for piece in pieces if piece is not main]
    while near := [piece for piece in rest if min(_gap(piece, other) for other in together) <= GAP * main.size]:
        together += near
        rest = [piece for piece in rest if all(piece is not other for other in near)]
    return as_mnist(join(together).ink)


def _gap(one: Piece, other: Piece) -> int:
    """How far two pieces' boxes are apart, in pixels."""
    across = max(one.left, other.left) - min(one.right, other.right)
    down = max(one.top, other.top) - min(one.bottom, other.bottom)
    return max(across, down, 0)
