"""What is found held against what is written, on pages made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from digits.data.pages.page import UNCLEAR, Box, Composed
from digits.evaluating.pages import NONE, PageScore, PagesScores, by_layout, judge_page, total
from digits.reading.boxes import Found

WRITTEN: list[Box] = [(30, 40, 20, 30), (60, 40, 20, 30), (90, 40, 20, 30)]  # 3 1 4
LABELS = [3, 1, 4]


def page(
    boxes: Sequence[Box] = WRITTEN, labels: Sequence[int] = LABELS, lines: Sequence[int] | None = None, layout: str = ""
) -> Composed:
    return Composed(
        np.full((80, 120), 255, np.uint8),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int8),
        np.array(lines if lines is not None else [0] * len(labels), np.int16),
        np.zeros((0, 4), np.float32),
        layout,
    )


def found(boxes: Sequence[Box] = WRITTEN, classes: Sequence[int] = LABELS, sure: Sequence[float] = ()) -> Found:
    number = len(boxes)
    probabilities = np.full((number, 10), 0.02, np.float32)
    probabilities[np.arange(number), list(classes)] = 0.82
    return Found(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(sure or [0.9] * number, np.float32),
        probabilities,
    )


def counts(score: PageScore) -> tuple[int, int, int, int, bool]:
    """Sought, found, false and correct; whether the page is right."""
    return score.sought, score.hits, score.false, score.correct, score.perfect


def test_everything_found_in_whatever_order_it_comes_is_a_page_right() -> None:
    assert counts(judge_page(page(), found())) == (3, 3, 0, 3, True)
    backwards = judge_page(page(), found(WRITTEN[::-1], LABELS[::-1]))
    assert counts(backwards) == (3, 3, 0, 3, True)
    assert backwards.matches.tolist() == [2, 1, 0]
    assert backwards.true_labels.tolist() == [4, 1, 3]


def test_a_wrong_class_a_missed_digit_and_a_false_one_are_a_fault_each() -> None:
    wrong = judge_page(page(), found(classes=[3, 7, 4]))
    assert (*counts(wrong), wrong.faults) == (3, 3, 0, 2, False, 1)
    missed = judge_page(page(), found(WRITTEN[1:], LABELS[1:]))
    assert (*counts(missed), missed.faults) == (3, 2, 0, 2, False, 1)
    false = judge_page(page(), found([*WRITTEN, (60, 70, 10, 14)], [*LABELS, 8]))
    assert (*counts(false), false.faults) == (3, 3, 1, 3, False, 1)
    assert false.true_labels.tolist() == [*LABELS, NONE]


def test_a_page_without_digits_is_right_where_nothing_is_found() -> None:
    blank = page([], [])
    assert counts(judge_page(blank, found([], []))) == (0, 0, 0, 0, True)
    assert counts(judge_page(blank, found(WRITTEN[:1], [3]))) == (0, 0, 1, 0, False)


@pytest.mark.parametrize("what", [[], [6]])
def test_a_digit_that_is_cut_off_counts_nowhere(what: list[int]) -> None:
    """Whether it is found or not, and as what."""
    written = page([*WRITTEN, (115, 40, 10, 30)], [*LABELS, UNCLEAR])
    score = judge_page(written, found([*WRITTEN, *[(115.0, 40.0, 10.0, 30.0)] * len(what)], [*LABELS, *what]))
    assert counts(score) == (3, 3, 0, 3, True)


def test_a_digit_is_found_once_by_the_box_that_is_surest() -> None:
    twice = found([*WRITTEN, (61, 41, 20, 30)], [*LABELS, 7], [0.9, 0.5, 0.9, 0.8])
    score = judge_page(page(), twice)
    assert score.matches.tolist() == [0, -1, 2, 1]
    assert counts(score) == (3, 3, 1, 2, False)


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        ((39, 40, 20, 30), True),  # by 0.45 of the width
        ((41, 40, 20, 30), False),  # by 0.55
        ((30, 54, 20, 30), True),  # by 0.47 of the height
        ((30, 56, 20, 30), False),
        ((30, 40, 90, 59), True),  # of less than twice the height, whatever the width
        ((30, 40, 20, 61), False),
        ((30, 40, 20, 14), False),
    ],
)
def test_how_far_off_a_box_may_be(box: Box, hit: bool) -> None:
    assert judge_page(page(WRITTEN[:1], [3]), found([box], [3])).hits == hit


def test_a_stick_counts_as_wide_as_half_its_height() -> None:
    stick = page([(30, 40, 2, 30)], [1])
    assert judge_page(stick, found([(36, 40, 5, 30)], [1])).hits == 1
    assert judge_page(stick, found([(39, 40, 5, 30)], [1])).hits == 0


def test_digits_in_another_order_are_no_page_right() -> None:
    """What is written is 314; where the page says that 4 comes first, it is not what is read from left to right."""
    order = [2, 0, 1]
    written = page([WRITTEN[i] for i in order], [LABELS[i] for i in order])
    assert written.text == "431"
    score = judge_page(written, found())
    assert (*counts(score), score.faults, score.in_order) == (3, 3, 0, 3, False, 0, False)
    scattered = page([WRITTEN[i] for i in order], [LABELS[i] for i in order], [-1] * 3)
    assert counts(judge_page(scattered, found())) == (3, 3, 0, 3, True), "a page of no lines has no order"


def test_two_lines_are_read_one_after_the_other() -> None:
    below: list[Box] = [(30, 140, 20, 30), (60, 140, 20, 30)]
    written = page([*WRITTEN, *below], [*LABELS, 5, 9], [0, 0, 0, 1, 1])
    assert written.text == "314\n59"
    assert judge_page(written, found([*below, *WRITTEN], [5, 9, *LABELS])).perfect
    one_line = page([*WRITTEN, *below], [*LABELS, 5, 9], [0, 0, 0, 0, 0])
    assert not judge_page(one_line, found([*below, *WRITTEN], [5, 9, *LABELS])).perfect


def test_a_cut_off_digit_does_not_disturb_the_order() -> None:
    written = page([*WRITTEN[:2], (75, 40, 20, 30), WRITTEN[2]], [3, 1, UNCLEAR, 4])
    assert written.text == "314"
    assert judge_page(written, found([*WRITTEN, (75, 40, 20, 30)], [*LABELS, 8])).perfect


# ---- Many pages ---------------------------------------------------------------------------------------


def test_counts_are_summed_and_metrics_made_of_the_sums() -> None:
    scores = [
        judge_page(page(layout="lines"), found()),
        judge_page(page(layout="lines"), found(WRITTEN[1:], [7, 4])),
        judge_page(page([], [], layout="blank"), found(WRITTEN[:1], [3])),
        judge_page(page([], [], layout="blank"), found([], [])),
    ]
    whole = total(scores)
    assert whole == PagesScores(pages=4, perfect=2, sought=6, hits=5, false=1, correct=4)
    assert (whole.missed, whole.wrong) == (1, 1)
    assert whole.metrics == {"pages": 0.5, "recall": 5 / 6, "precision": 5 / 6, "accuracy": 0.8}
    layouts = by_layout(scores)
    assert layouts == {
        "blank": PagesScores(pages=2, perfect=1, sought=0, hits=0, false=1, correct=0),
        "lines": PagesScores(pages=2, perfect=1, sought=6, hits=5, false=0, correct=4),
    }
    assert layouts["blank"].metrics == {"pages": 0.5, "recall": 1.0, "precision": 0.0, "accuracy": 1.0}
    assert total([]) == PagesScores(0, 0, 0, 0, 0, 0)
