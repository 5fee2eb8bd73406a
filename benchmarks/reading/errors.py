"""A label and what was read instead of it, digit by digit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Errors:
    """What an answer has otherwise than its label, by the fewest changes that make the one the other."""

    wrong: int
    missing: int
    false: int
    """Digits where there are none."""
    correct: tuple[bool, ...]
    """Whether each digit of the answer is the label's."""


def errors(label: str, answer: str) -> Errors:
    """Compare the digits of two texts in their order; where a text line ends does not matter.

    Edit distance (Levenshtein 1966). Of ways with equally many changes the one with most digits wrong, instead of
    missing here and false there.
    """
    wanted, read = ("".join(text.split()) for text in (label, answer))
    fewest = np.zeros((len(wanted) + 1, len(read) + 1), np.int64)
    fewest[:, 0], fewest[0] = np.arange(len(wanted) + 1), np.arange(len(read) + 1)
    for row, digit in enumerate(wanted):
        for column, other in enumerate(read):
            fewest[row + 1, column + 1] = min(
                fewest[row, column] + (digit != other), fewest[row, column + 1] + 1, fewest[row + 1, column] + 1
            )
    wrong = missing = false = 0
    correct = [False] * len(read)
    row, column = len(wanted), len(read)
    while row or column:
        if (
            row
            and column
            and fewest[row, column] == fewest[row - 1, column - 1] + (differs := wanted[row - 1] != read[column - 1])
        ):
            row, column = row - 1, column - 1
            wrong += differs
            correct[column] = not differs
        elif row and fewest[row, column] == fewest[row - 1, column] + 1:
            row, missing = row - 1, missing + 1
        else:
            column, false = column - 1, false + 1
    return Errors(wrong, missing, false, tuple(correct))
