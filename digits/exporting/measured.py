"""What is measured of an exported file: proportions with their intervals, and its calibration."""

from __future__ import annotations

from typing import NamedTuple

from digits.evaluating.scores import wilson_interval


class Share(NamedTuple):
    """A measured proportion: `hits` of `of`."""

    hits: int
    of: int
    independent: bool  # one of the other, as an interval assumes: images and pages are, the digits of a page are not

    @property
    def value(self) -> float | None:
        """The proportion, 0..1; None for a total of zero."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval (Wilson's); None where there is nothing that it would be valid for."""
        return wilson_interval(self.hits, self.of) if self.of and self.independent else None


class Calibration(NamedTuple):
    """How well a file's confidences are those that it should have, on the test split."""

    temperature: float | None  # fitted on the validation split; None: not calibrated
    error: float  # expected calibration error at that temperature
    before: float  # the same at temperature 1
