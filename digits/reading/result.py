"""What reading a picture gives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

DOUBTFUL = 0.8
"""Below this confidence a digit is marked: since it is calibrated, at least one in five
of such answers is expected to be wrong."""

SURE = 0.5
"""Below this confidence a whole picture is marked: it is likelier to have a fault than not. What else would be marked
`python -m benchmarks.reading.choose` says."""


@dataclass(frozen=True)
class Digit:
    """One digit that was found on a picture, and what the nets say of it."""

    label: int
    """0..9: the likeliest."""
    confidence: float
    """Calibrated probability, 0..1, that `label` is right."""
    probabilities: tuple[float, ...]
    """Of 0..9; what they lack of 1 is the probability that it is no digit."""
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels of the picture as it is seen, that is after the rotation that its EXIF asks for."""
    line: int
    """Which text line it stands in, from 0 at the top."""
    patch: npt.NDArray[np.uint8]
    """What the classifier sees: (28, 28), white ink on black."""

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
    confidence: float
    """Calibrated probability, 0..1, that the whole picture is read without a fault: no digit wrong, missed, or none."""
    left_out: int = 0
    """How many marks were not looked at: more than a thousand are too many, and the least likely digits are left."""

    @property
    def doubtful(self) -> bool:
        """Whether a person should look at the picture."""
        return self.confidence < SURE or self.left_out > 0 or any(digit.doubtful for digit in self.digits)

    @property
    def text(self) -> str:
        """The labels; lines of writing separated by a newline."""
        lines = groupby(self.digits, lambda digit: digit.line)
        return "\n".join("".join(str(digit.label) for digit in line) for _, line in lines)
