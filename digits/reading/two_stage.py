"""The digits that a page detector finds, each looked at once more by the classifier of single digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digits.reading.box_patch import box_patches
from digits.reading.boxes import Floats, Found, without_parts, without_repetitions
from digits.reading.detect import Net, find
from digits.reading.pyramid import Grey

Classify = Callable[[npt.NDArray[np.uint8]], Floats]
"""A classifier: patches uint8 (n, 28, 28) to probabilities (n, 11), of 0..9 and of no digit."""

CANDIDATES = 0.15
"""Objectness from which on what the detector finds is shown to the classifier."""

MOST_CANDIDATES = 1000
"""As many are shown, those of the most objectness: a page has fewer digits."""


class Weights(NamedTuple):
    """How much the classifier's opinion counts, chosen on composed pages by `python -m benchmarks.reading.choose`."""

    label: float = 0.5  # beside the detector's, of the class: 0 is the detector alone, 1 the classifier alone
    digit: float = 0.15  # likewise, of whether it is a digit at all
    threshold: float = 0.65  # what is less surely a digit is left out


CHOSEN = Weights()


def read_twice(detector: Net, classify: Classify, grey: Grey, longest: int = 1024) -> Found:
    """The digits on a picture, uint8 (H, W); objectness and probabilities are what both nets say together."""
    found = candidates(detector, grey, longest)
    return combined(found, classify(box_patches(grey, found.boxes)), CHOSEN)


def candidates(detector: Net, grey: Grey, longest: int = 1024) -> Found:
    """What the classifier is asked about."""
    found = without_repetitions(find(detector, grey, CANDIDATES, longest))
    return found.only(np.arange(min(MOST_CANDIDATES, len(found.boxes))))


def combined(found: Found, told: Floats, weights: Weights) -> Found:
    """What a detector found with what the classifier says of it, (n, 11): each digit once, the most certain first.

    Of a box around several digits the classifier says that it is none, so wholes and parts compete after it is heard.
    """
    digits = told[:, :10].sum(1)
    second = told[:, :10] / np.maximum(digits[:, None], 1e-6)
    mixed = (1 - weights.label) * _log(found.probabilities) + weights.label * _log(second)
    probabilities = np.exp(mixed - mixed.max(1, keepdims=True))
    odds = (1 - weights.digit) * _odds(found.objectness) + weights.digit * _odds(digits)
    objectness = 1 / (1 + np.exp(-odds))
    both = found._replace(
        objectness=objectness.astype(np.float32),
        probabilities=(probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32),
    )
    both = without_parts(both.only(np.argsort(-both.objectness, kind="stable")))
    return both.only(both.objectness >= weights.threshold)


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, np.float32(1e-5)))


def _odds(probability: Floats) -> Floats:
    """The logarithm of the odds, of a probability that is neither 0 nor 1."""
    clipped = np.clip(probability, 1e-4, 1 - 1e-4)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds
