"""Touching digits cut apart."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.components import Piece

ROWS = 40
"""The height at which cuts are looked for."""
SWAY = 10
"""How far, at that height, a cut may be off its straight line to either side."""
APART = 7
"""Between two cuts, and beyond the outer ones, lies as much ink as on so many columns in the mean, at that height."""
ALONG, INTO = 0.3, 4.0
"""What a pixel of ink costs a cut, and what it costs to go from paper into ink."""
EVERY = 6
"""One cut is tried for so much of a piece's width, at that height."""


def cut(piece: Piece) -> tuple[list[Piece], list[float]]:
    """A piece in parts from left to right, and how much ink each cut goes through, in heights of the piece.

    Each cut is the path from top to bottom that crosses the least ink, within a band; of all bands those are kept
    whose paths are cheapest (Kimura and Shridhar 1991 call such cuts a split at the valleys of the projection; here
    they may bend).
    """
    columns = max(1, round(piece.width * ROWS / piece.height))
    ink = cv2.resize(piece.ink, (columns, ROWS), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    centres = np.arange(APART, columns - APART + 1)
    if not len(centres):
        return [piece], []
    offsets = np.arange(-SWAY, SWAY + 1)
    places = centres[:, None] + offsets  # (bands, width of a band)
    price = ALONG * ink + INTO * np.maximum(np.diff(ink, axis=0, prepend=0), 0)
    inside = (places >= 0) & (places < columns)
    cost = np.where(inside, price[:, places.clip(0, columns - 1)], 4.0)  # (rows, bands, width)
    cost = cost + 0.004 * np.abs(offsets)
    total = np.empty_like(cost)
    total[0] = cost[0]
    for row in range(1, ROWS):
        above = np.pad(total[row - 1], ((0, 0), (1, 1)), constant_values=np.inf)
        total[row] = cost[row] + np.minimum(above[:, 1:-1], np.minimum(above[:, :-2], above[:, 2:]) + 0.01)
    cheapest = total[-1].min(1)
    paths = _paths(total) + centres - SWAY  # (rows, bands)
    before = np.pad(ink.cumsum(1), ((0, 0), (1, 0)))
    passed = np.take_along_axis(before, paths.clip(-1, columns - 1) + 1, 1).sum(0)  # ink on the left of each
    least = APART / columns * float(ink.sum())
    kept: list[int] = []
    for band in np.argsort(cheapest, kind="stable"):
        others = [0.0, float(ink.sum()), *(float(passed[other]) for other in kept)]
        if min(abs(float(passed[band]) - other) for other in others) >= least:
            kept.append(int(band))
        if len(kept) == max(2, columns // EVERY):
            break
    kept.sort(key=lambda band: float(passed[band]))
    costs = [float(cheapest[band]) / ROWS for band in kept]
    parts = _apart(piece, [paths[:, band] for band in kept], columns)
    made: list[Piece] = []
    crossed: list[float] = []
    for part, through in zip(parts, [0.0, *costs], strict=True):
        if part is None:  # two paths that met
            continue
        if made:
            crossed.append(through)
        made.append(part)
    return made, crossed


def _paths(total: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The place of each band's cheapest path in each row: (rows, bands)."""
    rows, bands, wide = total.shape
    paths = np.empty((rows, bands), np.int64)
    place = total[-1].argmin(1)
    paths[-1] = place
    for row in range(rows - 2, -1, -1):
        near = (place[:, None] + np.arange(-1, 2)).clip(0, wide - 1)
        place = near[np.arange(bands), np.take_along_axis(total[row], near, 1).argmin(1)]
        paths[row] = place
    return paths


def _apart(piece: Piece, paths: list[npt.NDArray[np.int64]], columns: int) -> list[Piece | None]:
    rows = (np.arange(piece.height) + 0.5) * ROWS / piece.height - 0.5
    parts = np.zeros(piece.ink.shape, np.int64)
    for path in paths:
        border = np.interp(rows, np.arange(ROWS), path + 0.5) * piece.width / columns
        parts += np.arange(piece.width) >= border[:, None]
    return [
        trimmed(piece.left, piece.top, np.where(parts == number, piece.ink, 0).astype(np.uint8))
        for number in range(len(paths) + 1)
    ]


def trimmed(left: int, top: int, ink: npt.NDArray[np.uint8]) -> Piece | None:
    """A piece without empty rows and columns around it; None where there is no ink."""
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return None
    part = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Piece(left + int(columns[0]), top + int(rows[0]), np.ascontiguousarray(part))
