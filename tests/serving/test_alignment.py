"""Which digit of what is right each digit that was read is."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest

from digits.reading.result import Digit
from digits.serving.alignment import MOST_DIGITS, NONE, align, right_text
from digits.serving.read_queue import RefusedError

PATCH = np.zeros((28, 28), np.uint8)


def read(text: str, **likelier: float) -> list[Digit]:
    """Digits in lines, 91 % sure; with `at2_as7=0.3` the third is that much likelier a 7, with `at2_asnone` none."""
    digits: list[Digit] = []
    for number, line in enumerate(text.split("\n")):
        for label in line:
            probabilities = [0.01] * 10
            probabilities[int(label)] = 0.91
            for name, probability in likelier.items():
                place, _, other = name.removeprefix("at").partition("_as")
                if int(place) == len(digits):
                    probabilities[int(label)] -= probability
                    if other != NONE:
                        probabilities[int(other)] += probability
            digits.append(Digit(int(label), 0.91, tuple(probabilities), (0, 0, 9, 9), number, PATCH))
    return digits


@pytest.mark.parametrize(("seen", "right", "classes", "missing"), [
    ("2026", "2026", "2 0 2 6", 0),
    ("2826", "2026", "2 0 2 6", 0),  # one wrong
    ("226", "2026", "2 2 6", 1),  # one missed
    ("20126", "2026", "2 0 none 2 6", 0),  # one that is none
    ("1345", "12345", "1 3 4 5", 1),
    ("8026", "026", "none 0 2 6", 0),
    ("2028", "202", "2 0 2 none", 0),
    ("17", "", "none none", 0),
    ("", "17", "", 2),
    ("", "", "", 0),
    ("12\n745", "127\n145", "1 2 1 4 5", 1),  # what was missed in the first line shifts nothing in the second
    ("12\n3\n45", "12\n45", "1 2 none 4 5", 0),
    ("12\n45", "12\n3\n45", "1 2 4 5", 1),
    ("11\n2", "1\n12", "1 1 2", 0),  # the line ends elsewhere, and no digit is wrong
    ("12\n34", "1234", "1 2 3 4", 0),
    ("1234", "12\n34", "1 2 3 4", 0),
    ("4\n4\n4", "444", "4 4 4", 0),
])  # fmt: skip
def test_made_cases(seen: str, right: str, classes: str, missing: int) -> None:
    assert align(read(seen), right) == (classes.split(), missing)


def test_of_equally_few_edits_the_likeliest() -> None:
    assert align(read("11", at0_as7=0.3), "7") == (["7", NONE], 0)
    assert align(read("11", at1_as7=0.3), "7") == ([NONE, "7"], 0)
    assert align(read("11", at0_asnone=0.3), "1") == ([NONE, "1"], 0)
    assert align(read("11", at1_asnone=0.3), "1") == (["1", NONE], 0)
    assert align(read("111", at0_as7=0.9, at2_as7=0.9), "1111") == (["1"] * 3, 1)  # but never more edits


@pytest.mark.parametrize("seed", range(5))
def test_the_edits_are_as_few_as_can_be(seed: int) -> None:
    """Against the distance as it is defined, on lines of a few digits that are much alike."""

    @cache
    def distance(one: str, other: str) -> int:
        if not one or not other:
            return len(one) + len(other)
        replaced = distance(one[1:], other[1:]) + (one[0] != other[0])
        return min(replaced, 1 + distance(one[1:], other), 1 + distance(one, other[1:]))

    noise = random.Random(seed)
    for _ in range(100):
        seen, right = ("".join(noise.choices("123", k=noise.randrange(9))) for _ in range(2))
        classes, missing = align(read(seen), right)
        assert len(classes) == len(seen)
        assert [label for label in classes if label != NONE] == [*_without(right, missing, classes)]
        edits = missing + sum(label != was for label, was in zip(classes, seen, strict=True))
        assert edits == distance(seen, right)


def _without(right: str, missing: int, classes: list[str]) -> str:
    """What is right less what was missed, which `classes` must hold in its order."""
    rest = iter(right)
    held = "".join(label for label in classes if label != NONE)
    assert all(label in rest for label in held)  # each after the one before
    assert len(held) + missing == len(right)
    return held


@pytest.mark.parametrize(("typed", "text"), [
    ("2026", "2026"), (" 20 26 ", "2026"), ("12\r\n34", "12\n34"), ("\n\n12\n \n34\n", "12\n34"), ("", ""),
    (" \n\t", ""), ("1" * MOST_DIGITS, "1" * MOST_DIGITS), ("1\n" * MOST_DIGITS, "\n".join("1" * MOST_DIGITS)),
])  # fmt: skip
def test_spaces_and_empty_lines_do_not_count(typed: str, text: str) -> None:
    assert right_text(typed) == text


@pytest.mark.parametrize("typed", ["2o26", "-1", "1.5", "٣", "²", "１", "1\x00", "../3", "none", "<b>1</b>", "\ufffd"])
def test_only_digits_can_be_right(typed: str) -> None:
    with pytest.raises(RefusedError, match="digits, spaces and line breaks only") as caught:
        right_text(typed)
    assert caught.value.status == 422


def test_more_digits_than_are_ever_read_are_refused() -> None:
    with pytest.raises(RefusedError, match="1,000 digits"):
        right_text("1" * (MOST_DIGITS + 1))
