"""What reading a picture gives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

DOUBTFUL = 0.8
"""Below this confidence a digit is marked: at least one in five of such answers is expected to be wrong."""


@dataclass(frozen=True)
class Digit:
    """One digit that was found on a picture, and what the net says of it."""

    label: int
    """0..9: the likeliest."""
    confidence: float
    """Calibrated probability, 0..1, that `label` is right."""
    probabilities: tuple[float, ...]
    """Of 0..9; what they lack of 1 is the probability that it is no digit."""
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels of the picture as it is seen, that is after the rotation that its EXIF asks for."""
    line: int
    """Which line of writing it stands in, from 0 at the top."""
    patch: npt.NDArray[np.uint8]
    """What the net sees: (28, 28), white ink on black."""

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at it."""
        return self.confidence < DOUBTFUL


@dataclass(frozen=True)
class Reading:
    """The digits of a picture in reading order: lines from top to bottom, digits from left to right."""

    digits: tuple[Digit, ...]
    width: int
    """Of the picture as it is seen, in pixels."""
    height: int
    left_out: int = 0
    """How many marks were not looked at: more than a thousand on a page are too many, and the smallest are left."""

    @property
    def text(self) -> str:
        """The labels; lines of writing separated by a newline."""
        lines = groupby(self.digits, lambda digit: digit.line)
        return "\n".join("".join(str(digit.label) for digit in line) for _, line in lines)
