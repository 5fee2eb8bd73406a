"""The result of reading a picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

DOUBTFUL = 0.8
"""Below this confidence a digit is marked: as it is calibrated, at least one in five of such answers is expected to be
wrong."""

SURE = 0.5
"""Below this confidence a whole picture is marked: it is likelier to have a fault than not.
`python -m benchmarks.reading.choose` lists what other values would mark."""


@dataclass(frozen=True)
class Digit:
    """One digit found on a picture, with the models' answers."""

    label: int
    """0..9: the likeliest."""
    confidence: float
    """Calibrated probability, 0..1, that `label` is correct."""
    probabilities: tuple[float, ...]
    """Of 0..9; the rest to 1 is the probability that it is not a digit."""
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels of the upright picture, that is after its EXIF orientation."""
    line: int
    """The index of its text line, from 0 at the top."""
    patch: npt.NDArray[np.uint8]
    """The classifier's input: (28, 28), white ink on black."""

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at it."""
        return self.confidence < DOUBTFUL


@dataclass(frozen=True)
class Reading:
    """The digits of a picture in reading order: lines from top to bottom, digits from left to right."""

    digits: tuple[Digit, ...]
    width: int
    """Of the upright picture, in pixels."""
    height: int
    confidence: float
    """Calibrated probability, 0..1, that the whole picture is read without a fault: none wrong, missed or made up."""
    left_out: int = 0
    """How many marks were not examined: of more than a thousand, the least likely digits are left out."""

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at the picture."""
        return self.confidence < SURE or self.left_out > 0 or any(digit.doubtful for digit in self.digits)

    @property
    def text(self) -> str:
        """The labels; text lines separated by a newline."""
        lines = groupby(self.digits, lambda digit: digit.line)
        return "\n".join("".join(str(digit.label) for digit in line) for _, line in lines)
