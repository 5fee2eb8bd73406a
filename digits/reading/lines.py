"""Pieces of ink put into lines of writing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from digits.reading.components import Piece, join

MAJOR = 0.45
"""Pieces at least this high, of the usual height, are digits or most of one; lower ones are strokes, dots and bars."""
OVERLAP = 0.4
"""Neighbours in a line share at least this much of the lower one's height."""
EDGE = 0.015
"""What is nearer than this to the edge, of the picture's shorter side, is at the edge."""
SMALL_PRINT = 0.4
"""Lines lower than this, of the highest line's height, are no part of the writing, such as the date of a camera."""


def usual_height(pieces: Sequence[Piece]) -> float:
    """The height of the digits among pieces: the median of those that aren't small."""
    highest = max(piece.height for piece in pieces)
    return float(np.median([piece.height for piece in pieces if piece.height >= MAJOR * highest]))


def find_lines(pieces: Sequence[Piece], frame: tuple[int, int]) -> list[list[Piece]]:
    """The lines of writing from top to bottom, the pieces of each from left to right.

    `frame` is the picture's height and width: a line that lies at its edge alone is a desk or a shadow where there are
    other lines.
    """
    if not pieces:
        return []
    pieces = join_stacked(pieces)
    usual = usual_height(pieces)
    major = sorted((piece for piece in pieces if piece.height >= MAJOR * usual), key=lambda piece: piece.left)
    lines: list[list[Piece]] = []
    for piece in major:
        best, nearest = None, np.inf
        for line in lines:
            last = line[-1]
            distance = max(0, piece.left - last.right)
            if _overlap(piece, last) >= OVERLAP and distance < nearest:
                best, nearest = line, distance
        if best is None:
            lines.append([piece])
        else:
            best.append(piece)
    tallest = max(usual_height(line) for line in lines)
    lines = [line for line in lines if usual_height(line) >= SMALL_PRINT * tallest]
    lines = [line for line in lines if not all(_at_edge(piece, frame) for piece in line)] or lines
    for piece in pieces:
        if piece.height < MAJOR * usual:
            near = min(lines, key=lambda line: _distance(piece, line))
            if _distance(piece, near) < 0.6 * usual:
                near.append(piece)
    for line in lines:
        line.sort(key=lambda piece: piece.left + piece.right)
    return sorted(lines, key=lambda line: float(np.mean([piece.top + piece.bottom for piece in line])))


def join_stacked(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces that stand above one another with hardly a gap are strokes of one digit."""
    joined = sorted(pieces, key=lambda piece: piece.top)
    highest = max(piece.height for piece in pieces)
    crowd = sum(piece.height >= 0.6 * highest for piece in pieces) > 3
    gap = max(2.0, 1.5 * float(np.median([piece.stroke for piece in pieces])))
    boxes = np.array([_edges(piece) for piece in joined])  # left, top, right, bottom: a loop over pieces takes seconds
    index = 0
    while index < len(joined):
        upper = joined[index]
        left, top, right, bottom = boxes.T
        width, height = right - left, bottom - top
        shared = np.minimum(upper.right, right) - np.maximum(upper.left, left)
        apart = np.maximum(top - upper.bottom, upper.top - bottom)
        whole = np.maximum(bottom, upper.bottom) - np.minimum(top, upper.top)
        near = (shared >= 0.6 * np.minimum(upper.width, width)) & (apart <= gap)
        near &= np.maximum(width, height) >= 0.2 * highest
        near &= ~((whole > 1.35 * highest) & crowd)
        near[index] = False
        if upper.size >= 0.2 * highest and near.any():
            other = int(near.argmax())
            joined[index] = join([upper, joined[other]])
            boxes[index] = _edges(joined[index])
            del joined[other]
            boxes = np.delete(boxes, other, 0)
            index -= 1 if other > index else 2
        index = max(0, index + 1)
    return joined


def _edges(piece: Piece) -> tuple[int, int, int, int]:
    return piece.left, piece.top, piece.right, piece.bottom


def _at_edge(piece: Piece, frame: tuple[int, int]) -> bool:
    margin = (EDGE if piece.width > 0.2 * piece.height else 6 * EDGE) * min(frame)
    return (
        piece.left <= margin
        or piece.top <= margin
        or piece.right >= frame[1] - margin
        or piece.bottom >= frame[0] - margin
    )


def _overlap(one: Piece, other: Piece) -> float:
    return (min(one.bottom, other.bottom) - max(one.top, other.top)) / min(one.height, other.height)


def _distance(piece: Piece, line: Sequence[Piece]) -> float:
    """How far a piece is above or below the part of a line that is nearest."""
    near = min(line, key=lambda other: max(other.left - piece.right, piece.left - other.right))
    return max(0, near.top - piece.bottom, piece.top - near.bottom)
