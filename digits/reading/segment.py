"""Which pieces of a line make a digit: every grouping that could be is read, the likeliest parse is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.reading.components import Piece, join
from digits.reading.lines import MAJOR, usual_height
from digits.reading.split import cut

Probabilities = npt.NDArray[np.float32]

TOGETHER = 5
"""Most pieces in one digit."""
GAP = 0.3
"""Pieces farther apart than this, of the line's height, belong to different digits."""
WIDEST = 1.5
"""Width over height of the widest joined digit."""
LOWEST = 0.4
"""Height of the lowest digit, of its line's."""
SQUARE = 1.3
"""Width over height up to which a piece may be an operator; what is wider has several digits."""
USUAL = 0.65
"""Width of a usual digit, in heights of its line: parts weigh by their width, so that cutting adds no weight."""
CUT, CROSSED = 0.5, 4.0
"""What a cut costs, as a log-probability, and what it costs more for each height of its price (see `split`)."""
TALL = 0.8
"""Height of the lowest piece that is taken for digits that touch, in heights of its line: signs are lower."""
LONGEST = 12
"""Width over height of the longest piece that is cut: no more digits than that touch, and a line has no end."""
DOUBT, DOUBT_NARROW = 0.9, 0.5
"""A piece is looked at for cuts when its best reading is less certain than this; narrow ones are hardly two digits."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """Neighbouring pieces that may be one digit: those from `first` up to, not including, `last`."""

    first: int
    last: int
    whole: Piece


@dataclass(frozen=True, eq=False)
class Row:
    """A line of writing in pieces."""

    pieces: list[Piece]
    height: float
    seams: dict[int, float]
    """Before which pieces there is a cut, and how much ink it goes through, in heights."""
    parts: dict[tuple[int, int], float]
    """Which pieces, from and up to, are the parts of one that was cut, and the probability that it is no digit."""

    def candidates(self) -> list[Candidate]:
        """Every grouping that could be a digit."""
        found = []
        for first in range(len(self.pieces)):
            right = self.pieces[first].right
            for last in range(first + 1, min(first + TOGETHER, len(self.pieces)) + 1):
                if last - first > 1:
                    piece = self.pieces[last - 1]
                    if piece.left - right > GAP * self.height:
                        break
                    right = max(right, piece.right)
                whole = join(self.pieces[first:last])
                if last - first > 1 and whole.width > WIDEST * self.height:
                    break
                if whole.height >= LOWEST * self.height:
                    found.append(Candidate(first, last, whole))
        return found


def start(pieces: Sequence[Piece]) -> Row:
    """A line of writing, nothing cut yet."""
    return Row(list(pieces), usual_height(pieces), {}, {})


def cut_doubtful(
    row: Row, candidates: Sequence[Candidate], digit: Probabilities, none: Probabilities, most: float
) -> tuple[Row | None, float]:
    """The row with its wide, doubtful pieces cut, None where there are none; and how much was cut, in heights.

    `digit` is the probability of the likeliest digit of each candidate, `none` that of no digit. No more than `most` is
    cut, the pieces from the left.
    """
    best = np.zeros(len(row.pieces))
    nothing = np.zeros(len(row.pieces))
    for candidate, probability, rejected in zip(candidates, digit, none, strict=True):
        covered = slice(candidate.first, candidate.last)
        best[covered] = np.maximum(best[covered], probability)
        if candidate.last - candidate.first == 1:
            nothing[candidate.first] = rejected
    pieces: list[Piece] = []
    seams: dict[int, float] = {}
    parts: dict[tuple[int, int], float] = {}
    spent = 0.0
    for index, piece in enumerate(row.pieces):
        shape = piece.width / max(piece.height, 1)
        wide = piece.width > 0.5 * row.height and piece.height > MAJOR * row.height and shape > 0.5
        odd = piece.height > TALL * row.height and best[index] < (DOUBT if shape > 0.9 else DOUBT_NARROW)
        if wide and shape <= LONGEST and spent + shape <= most and (shape > SQUARE or odd):
            spent += shape
            made, costs = cut(piece)
            if costs:
                seams |= {len(pieces) + 1 + number: cost for number, cost in enumerate(costs)}
                parts[len(pieces), len(pieces) + len(made)] = float(nothing[index]) if shape < SQUARE else 0.02
                pieces += made
                continue
        pieces.append(piece)
    return (Row(pieces, row.height, seams, parts) if seams else None), spent


def parse(row: Row, candidates: Sequence[Candidate], digit: Probabilities, none: Probabilities) -> list[int]:
    """The likeliest way to read a row: the candidates that it takes, from left to right.

    A way's score is a sum over the pieces of log-probabilities, so that readings with more and with fewer digits
    compare; each piece weighs as much as it is long. What is no digit is left out: a whole piece, never a part.
    """
    count = len(row.pieces)
    weights = [min(1.0, piece.size / row.height) for piece in row.pieces]
    alone = np.full(count, 0.02)
    for index, candidate in enumerate(candidates):
        if candidate.last - candidate.first == 1:
            alone[candidate.first] = none[index]
    for index, piece in enumerate(row.pieces):
        if piece.height < LOWEST * row.height:
            alone[index] = 0.5
    for first, last in row.parts:
        alone[first:last] = 0.002
        for index in range(first, last):
            weights[index] = row.pieces[index].width / (USUAL * row.height)
    steps: list[list[tuple[int, int, float]]] = [[] for _ in range(count + 1)]  # by their end: start, candidate, score
    for index in range(count):
        steps[index + 1].append((index, -1, weights[index] * _log(alone[index])))
    for (first, last), rejected in row.parts.items():
        steps[last].append((first, -1, sum(weights[first:last]) * _log(rejected)))
    for index, candidate in enumerate(candidates):
        first, last = candidate.first, candidate.last
        value = sum(weights[first:last]) * _log(float(digit[index]))
        value -= sum(CUT + CROSSED * row.seams[edge] for edge in (first, last) if edge in row.seams) / 2
        steps[last].append((first, index, value))
    score = np.zeros(count + 1)
    came: list[tuple[int, int]] = [(0, -1)]
    for last in range(1, count + 1):
        ways = [(score[first] + value, first, index) for first, index, value in steps[last]]
        score[last], first, index = max(ways)
        came.append((first, index))
    taken: list[int] = []
    place = count
    while place:
        place, index = came[place]
        if index >= 0:
            taken.append(index)
    return taken[::-1]


def _log(probability: float) -> float:
    return float(np.log(max(probability, 1e-6)))
