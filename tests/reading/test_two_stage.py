"""What two nets say together of what one of them found."""

from __future__ import annotations

import numpy as np
import pytest

from digits.reading.boxes import Found, suppress
from digits.reading.two_stage import Weights, combined


def found(objectness: float, label: int, sure: float) -> Found:
    probabilities = np.full((1, 10), (1 - sure) / 9, np.float32)
    probabilities[0, label] = sure
    return Found(np.array([[10, 10, 8, 16]], np.float32), np.array([objectness], np.float32), probabilities)


def told(label: int, sure: float, none: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    row = np.full((1, 11), (1 - none) * (1 - sure) / 9, np.float32)
    row[0, label], row[0, 10] = (1 - none) * sure, none
    return row


def test_the_surer_of_two_equals_decides_the_class() -> None:
    both = combined(found(0.9, 1, 0.6), told(7, 0.95, 0.01), Weights(0.5, 0.0, 0.45))
    assert both.probabilities.argmax() == 7
    both = combined(found(0.9, 1, 0.95), told(7, 0.6, 0.01), Weights(0.5, 0.0, 0.45))
    assert both.probabilities.argmax() == 1
    assert both.probabilities.sum() == pytest.approx(1, rel=1e-5)


def test_weights_of_nought_leave_the_detector_alone_and_of_one_the_classifier() -> None:
    detected, second = found(0.9, 1, 0.8), told(7, 0.95, 0.4)
    alone = combined(detected, second, Weights(0.0, 0.0, 0.45))
    assert np.allclose(alone.probabilities, detected.probabilities, atol=1e-5)
    assert alone.objectness == pytest.approx(0.9, rel=1e-4)
    other = combined(detected, second, Weights(1.0, 1.0, 0.45))
    assert np.allclose(other.probabilities, second[:, :10] / 0.6, atol=1e-4)
    assert other.objectness == pytest.approx(0.6, rel=1e-4)


def test_the_mean_of_the_odds_says_whether_it_is_a_digit() -> None:
    both = combined(found(0.9, 1, 0.9), told(1, 0.9, 0.9), Weights(0.5, 0.5, 0.0))
    assert both.objectness == pytest.approx(0.5, abs=1e-5), "9 to 1 for it, and 9 to 1 against it"


def test_what_is_less_surely_a_digit_is_left_out() -> None:
    weights = Weights(0.5, 0.5, 0.45)
    assert len(combined(found(0.9, 1, 0.9), told(1, 0.9, 0.99), weights).boxes) == 0
    assert len(combined(found(0.3, 1, 0.9), told(1, 0.9, 0.01), weights).boxes) == 1


def test_weak_scraps_do_not_help_a_box_around_two_sure_digits() -> None:
    """What the classifier is asked about goes down to 0.15, and must not change what is sure."""
    boxes = [[50, 50, 60, 60], [38, 50, 16, 30], [62, 50, 16, 30], *([30 + 8 * i, 70, 12, 14] for i in range(6))]
    objectness = [0.55, 0.95, 0.95, *[0.16] * 6]
    probabilities = np.full((9, 10), 0.1, np.float32)
    all_of_it = Found(np.array(boxes, np.float32), np.array(objectness, np.float32), probabilities)
    kept = suppress(all_of_it)
    assert sorted(kept.objectness[kept.objectness > 0.45].tolist()) == pytest.approx([0.95, 0.95])
