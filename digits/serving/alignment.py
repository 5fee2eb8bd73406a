"""Alignment of a typed correction with the digits that were read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, groupby

import numpy as np

from digits.reading.result import Digit
from digits.serving.read_queue import RefusedError

NONE = "none"  # the class of what was read as a digit but is not one
MOST_DIGITS = 1000  # in a correction; the reader finds no more in a picture
REPLACE, DROP, ADD = range(3)
BREAK = 0.75  # edits per added or dropped line break: moving one costs more than one wrong digit, less than two
DOUBT = 1e-5  # edits per nat by which a digit is improbable: a thousand digits together never outweigh an edit
UNLIKELIEST = 1e-6  # lower probabilities count as this one: at most 14 nats per digit


def right_text(typed: str) -> str:
    """A typed correction as lines of digits, "" for no digit; raises RefusedError for other characters.

    Spaces and empty lines are ignored.
    """
    lines = ["".join(line.split()) for line in typed.splitlines()]
    text = "\n".join(line for line in lines if line)
    if set(text) - set("0123456789\n"):
        raise RefusedError(422, "A correction has digits, spaces and line breaks only; remove everything else.")
    if len(text.replace("\n", "")) > MOST_DIGITS:
        raise RefusedError(422, f"A correction has at most {MOST_DIGITS:,} digits; cut the picture up.")
    return text


def align(digits: Sequence[Digit], right: str) -> tuple[list[str], int]:
    """The correct class of each digit that was read, in reading order, and how many digits of `right` were missed.

    Found by the fewest edits that turn the reading into the correction (Wagner and Fischer 1974); of equally few edits,
    the likeliest by the digits' probabilities. A line break matches only a line break, so that a digit missed in one
    line shifts no other line.
    """
    read = [part for _, line in groupby(digits, lambda digit: digit.line) for part in (None, *line)][1:]
    added = [BREAK if other == "\n" else 1.0 for other in right]
    above = [0.0, *accumulate(added)]
    moves = np.full((len(read) + 1, len(right) + 1), ADD, np.uint8)
    for i, one in enumerate(read, 1):
        dropped = BREAK if one is None else 1 + _doubt(1 - sum(one.probabilities))
        replaced = {other: _replaced(one, other) for other in set(right)}
        row = [above[0] + dropped]
        moves[i, 0] = DROP
        for j, other in enumerate(right, 1):
            costs = above[j - 1] + replaced[other], above[j] + dropped, row[j - 1] + added[j - 1]
            row.append(min(costs))
            moves[i, j] = costs.index(row[j])
        above = row
    classes = list[str]()
    missing, i, j = 0, len(read), len(right)
    while i or j:
        move = int(moves[i, j])
        i, j = i - (move != ADD), j - (move != DROP)
        if move == ADD:
            missing += right[j] != "\n"
        elif read[i] is not None:
            classes.append(right[j] if move == REPLACE else NONE)
    return classes[::-1], missing


def _replaced(one: Digit | None, other: str) -> float:
    if one is None or other == "\n":
        return 0.0 if one is None and other == "\n" else math.inf
    return (str(one.label) != other) + _doubt(one.probabilities[int(other)])


def _doubt(probability: float) -> float:
    return -DOUBT * math.log(max(probability, UNLIKELIEST))
