"""What two nets say together of what one of them found, how sure that is, and what becomes of it."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from digits.reading.boxes import Found, joined, suppress
from digits.reading.model.net import Classifier
from digits.reading.reader import (
    CHOSEN,
    Calibration,
    Seen,
    Weights,
    agreed_of,
    are_read,
    combined,
    log_odds,
    missed_of,
    once_each,
    opinion_of,
    product,
    reading_of,
    sure_of,
    whole_of,
)


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


def test_weak_scraps_do_not_help_a_box_around_two_sure_digits() -> None:
    """What the classifier is asked about goes down to 0.15, and must not change what is sure."""
    boxes = [[50, 50, 60, 60], [38, 50, 16, 30], [62, 50, 16, 30], *([30 + 8 * i, 70, 12, 14] for i in range(6))]
    objectness = [0.55, 0.95, 0.95, *[0.16] * 6]
    probabilities = np.full((9, 10), 0.1, np.float32)
    all_of_it = Found(np.array(boxes, np.float32), np.array(objectness, np.float32), probabilities)
    kept = suppress(all_of_it)
    assert sorted(kept.objectness[kept.objectness > 0.45].tolist()) == pytest.approx([0.95, 0.95])


# ---- How sure ---------------------------------------------------------------------------------------

EVEN = Calibration((0.0, 1.0, 0.0), (0.0, 1.0), (0.0, 1.0))
"""Objectness is believed as it is."""


def test_a_digit_is_as_sure_as_the_regression_says() -> None:
    both = joined([found(0.8, 1, 0.9), found(0.8, 1, 0.5)])
    assert sure_of(both, EVEN).tolist() == pytest.approx([0.8, 0.8], rel=1e-4)
    with_class = sure_of(both, Calibration((-1.0, 1.0, 0.5), (0.0, 1.0), (0.0, 1.0)))
    odds = -1 + np.log(0.8 / 0.2) + 0.5 * np.log(0.9 / 0.1)
    assert with_class[0] == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-4)
    assert with_class[1] < with_class[0]


def test_a_picture_is_as_sure_as_all_of_it_and_a_digit_nearly_missed_makes_it_doubtful() -> None:
    right, missed = sure_of(found(0.9, 1, 0.9), EVEN), missed_of(joined([]), EVEN)
    assert whole_of(right, missed, EVEN) == pytest.approx(0.9, rel=1e-3)
    assert product(right, missed_of(found(0.4, 1, 0.9), EVEN)) == pytest.approx(0.9 * 0.6, rel=1e-3)
    assert product(np.empty(0, np.float32), np.empty(0, np.float32)) == 1


def test_odds_of_what_is_certain_are_finite() -> None:
    assert np.isfinite(log_odds(np.array([0, 1], np.float32))).all()


# ---- What becomes of it -----------------------------------------------------------------------------


BLANK = np.full((100, 100), 255, np.uint8)


def seen(*digits: tuple[float, float, float, int]) -> Seen:
    """Digits of 16 by 30 pixels: centre x, centre y, objectness, label; the classifier agrees."""
    both = joined([found(objectness, label, 0.95) for _, _, objectness, label in digits])
    boxes = np.array([[x, y, 16, 30] for x, y, _, _ in digits], np.float32).reshape(-1, 4)
    second = np.concatenate([np.empty((0, 11), np.float32), *(told(label, 0.95, 0.01) for *_, label in digits)])
    patches = np.arange(len(digits), dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    return Seen(both._replace(boxes=boxes), patches, second, 0)


def test_digits_come_in_reading_order_with_their_own_patches_and_boxes() -> None:
    reading = reading_of(seen((60, 20, 0.9, 2), (20, 21, 0.95, 1), (20, 70, 0.99, 3)), BLANK, 200, 100)
    assert reading.text == "12\n3"
    assert [digit.patch[0, 0] for digit in reading.digits] == [1, 0, 2]
    assert [digit.line for digit in reading.digits] == [0, 0, 1]
    assert reading.digits[0].box == (24, 6, 32, 30), "the picture was twice as wide as what was looked at"
    for digit in reading.digits:
        assert max(digit.probabilities) == pytest.approx(digit.confidence)
        assert sum(digit.probabilities) <= 1 + 1e-6


def test_what_is_less_surely_a_digit_is_left_out_and_makes_the_picture_less_sure() -> None:
    low = CHOSEN.threshold - 0.2
    alone, beside = (
        reading_of(seen((20, 20, 0.99, 1)), BLANK, 100, 100),
        reading_of(seen((20, 20, 0.99, 1), (60, 20, low, 7)), BLANK, 100, 100),
    )
    assert alone.text == beside.text == "1"
    assert beside.confidence < alone.confidence


def test_of_a_picture_on_which_nothing_is_certain_or_agreed_upon_nothing_is_read() -> None:
    between = (CHOSEN.threshold + CHOSEN.surest) / 2
    nobody = np.zeros(3, np.bool_)
    assert are_read(np.array([between, 0.9, 0.3], np.float32), nobody).tolist() == [True, True, False]
    assert not are_read(np.array([between, between, 0.3], np.float32), nobody).any()
    assert are_read(np.array([between, between, 0.3], np.float32), np.array([True, False, False])).sum() == 2
    assert not are_read(np.array([between, between, 0.3], np.float32), np.array([False, False, True])).any()
    assert not are_read(np.empty(0, np.float32), np.empty(0, np.bool_)).any()


def test_what_both_nets_say_is_agreed() -> None:
    both = joined([found(0.7, 1, 0.9)] * 3)
    second = np.concatenate([told(1, 0.99, 0.0), told(7, 0.99, 0.0), told(1, 0.8, 0.0)])
    assert agreed_of(both, second).tolist() == [True, False, False]


def test_no_class_is_shown_as_likelier_than_the_one_that_is_read() -> None:
    torn = seen((50, 50, 0.95, 3))
    both = np.full((1, 11), 0.0, np.float32)
    both[0, 3], both[0, 8] = 0.51, 0.49
    probabilities = both[:, :10].copy()
    (digit,) = reading_of(
        torn._replace(found=torn.found._replace(probabilities=probabilities), told=both), BLANK, 100, 100
    ).digits
    assert digit.label == 3
    assert max(digit.probabilities) == digit.confidence
    assert sum(digit.probabilities) <= 1 + 1e-6


def test_a_classifier_without_a_class_for_none_is_in_doubt_instead() -> None:
    """Of ten equal classes it says that it is a digit with a tenth, not for certain."""

    class Even:
        classes, none = tuple("0123456789"), None

        def probabilities(self, patches: np.ndarray) -> np.ndarray:
            return np.full((len(patches), 10), 0.1, np.float32)

    second = opinion_of(cast(Classifier, Even()))(np.zeros((1, 28, 28), np.uint8))
    assert second[0, 10] == pytest.approx(0.9)
    both = combined(found(0.5, 1, 0.9), second, Weights(digit=0.5))
    assert both.objectness[0] < 0.3
    assert both.probabilities.sum() == pytest.approx(1, rel=1e-5)


def test_what_is_nearly_a_digit_makes_the_picture_doubtful() -> None:
    near = 0.35  # and 0.54 with the classifier, which takes it for a digit
    reading = reading_of(seen((20, 20, 0.99, 1), *((20 + 30 * i, 70, near, 7) for i in range(3))), BLANK, 100, 100)
    assert reading.text == "1"
    assert reading.doubtful


def test_boxes_stay_on_the_picture() -> None:
    (digit,) = reading_of(seen((2, 98, 0.95, 1)), BLANK, 100, 100).digits
    assert digit.box == (0, 83, 10, 17)


def test_of_nothing_nothing_is_read() -> None:
    reading = reading_of(seen(), BLANK, 100, 100)
    assert (reading.text, reading.digits) == ("", ())
    assert len(once_each(joined([]))) == 0
    assert 0.5 < reading.confidence <= 1
