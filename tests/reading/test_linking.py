"""Boxes of digits to text lines in reading order: slanting, curved, uneven, in columns and in tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from digits.reading.linking import text_lines

Box = tuple[float, float, float, float]


def line(
    count: int, x: float = 0.0, y: float = 0.0, height: float = 30.0, gap: float = 0.3, width: float = 0.6
) -> list[Box]:
    """So many digits beside one another from (x, y), their gaps and widths in heights."""
    return [(x + height * (k * (width + gap) + width / 2), y, height * width, height) for k in range(count)]


def turned(boxes: Sequence[Box], degrees: float) -> list[Box]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(cos * x - sin * y, sin * x + cos * y, width, height) for x, y, width, height in boxes]


def bent(boxes: Sequence[Box], radius: float) -> list[Box]:
    """Upwards, towards a centre above the middle."""
    middle = float(np.mean([box[0] for box in boxes]))
    return [(x, y - (x - middle) ** 2 / (2 * radius), width, height) for x, y, width, height in boxes]


def check(lines: Sequence[Sequence[Box]], change: Callable[[list[Box]], list[Box]] = list) -> None:
    """The lines are found again, in whichever order their boxes come, at any scale and place."""
    boxes = np.array(change([box for line in lines for box in line]), np.float32)
    ends = np.cumsum([len(line) for line in lines])
    wanted = [list(range(end - len(line), end)) for end, line in zip(ends, lines, strict=True)]
    for seed, scale, shift in ((0, 1.0, 0.0), (1, 0.4, 50.0), (2, 7.0, -900.0)):
        order = np.random.default_rng(seed).permutation(len(boxes))
        mixed = boxes[order] * np.float32(scale) + np.array([shift, shift, 0, 0], np.float32)
        assert [[int(order[index]) for index in found] for found in text_lines(mixed)] == wanted


def test_no_boxes_no_lines() -> None:
    assert text_lines(np.zeros((0, 4), np.float32)) == []


def test_one_digit() -> None:
    check([line(1)])


@pytest.mark.parametrize("degrees", [-20, -10, 0, 3, 10, 20])
@pytest.mark.parametrize("pitch", [40, 60])
def test_lines_that_slant(degrees: float, pitch: float) -> None:
    lines = [line(count, y=pitch * k) for k, count in enumerate((9, 7, 10, 4))]
    check(lines, lambda boxes: turned(boxes, degrees))


def test_lines_that_slant_differently() -> None:
    check([turned(line(9), 9), turned(line(9, y=75), 3), turned(line(9, y=140), -6)])


@pytest.mark.parametrize("radius", [-250, -400, 400, 250])
def test_curved_lines(radius: float) -> None:
    check([line(9, y=45 * k) for k in range(3)], lambda boxes: bent(boxes, radius))


def test_a_short_line_below_the_end_of_a_curved_one_comes_after_it() -> None:
    check([bent(line(20), 500), line(3, x=470, y=-20)])


def test_words_apart_are_one_line() -> None:
    far = line(3) + line(2, x=280) + line(4, x=700)
    check([far])
    check([far, line(5, x=30, y=60)])


@pytest.mark.parametrize("gap", [-0.15, 0.0])
def test_touching_digits(gap: float) -> None:
    check([line(8, gap=gap), line(6, y=36, gap=gap)])


def test_sticks() -> None:
    check([line(8, width=0.1, gap=0.25), line(5, y=40, width=0.12, gap=0.3)])


def test_staggered_digits_are_one_line() -> None:
    check([[(x, y + 8 * (-1) ** k, *size) for k, (x, y, *size) in enumerate(line(9))]])


def test_digits_of_very_different_size() -> None:
    check([[*line(1, height=90), *line(3, x=60, y=20, height=30), *line(1, x=150, y=5, height=70)]])


def with_exponents(y: float) -> list[Box]:
    """4² 37³ 8⁵⁶ 1."""
    base = line(7, y=y, gap=0.6)
    two = (base[0][0] + 18, y - 16, 9, 14)
    three = (base[2][0] + 17, y - 18, 8, 13)
    five, six = (base[3][0] + 15, y - 17, 8, 14), (base[3][0] + 25, y - 18, 8, 14)
    further = [(x + 12, middle, width, height) for x, middle, width, height in base[4:]]
    return [base[0], two, base[1], base[2], three, base[3], five, six, *further]


@pytest.mark.parametrize("degrees", [0, -6, 8])
def test_exponents_keep_their_place(degrees: float) -> None:
    check([with_exponents(0)], lambda boxes: turned(boxes, degrees))
    check([with_exponents(0), line(8, y=62), with_exponents(124)], lambda boxes: turned(boxes, degrees))


# ---- Tables and columns -----------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [1, 2, 3])
@pytest.mark.parametrize("degrees", [0, 3])
def test_a_table_is_read_row_by_row(cells: int, degrees: float) -> None:
    rows = [[box for k in range(4) for box in line(cells, x=(30 * cells + 55) * k, y=45 * row)] for row in range(5)]
    check(rows, lambda boxes: turned(boxes, degrees))


def test_single_digits_far_apart_are_a_table() -> None:
    check([[box for column in range(5) for box in line(1, x=170 * column, y=50 * row)] for row in range(4)])


def test_two_rows_far_apart_are_rows() -> None:
    check([line(3, y=y) + line(3, x=260, y=y) for y in (0, 50)])


@pytest.mark.parametrize("degrees", [0, 4])
def test_columns_whose_lines_do_not_match_are_read_one_after_the_other(degrees: float) -> None:
    left = [line(count, y=60 * row) for row, count in enumerate((4, 3, 4, 4, 2))]
    right = [line(4, x=190, y=60 * row + 30) for row in range(4)]
    check(left + right, lambda boxes: turned(boxes, degrees))


def test_columns_far_apart_are_read_one_after_the_other_even_if_their_lines_match() -> None:
    check([line(5, x=330 * column, y=50 * row) for column in range(3) for row in range(4)])


def test_one_line_beside_several_starts_no_column() -> None:
    check([line(4), line(3, x=260, y=26), line(4, y=52), line(4, y=104)])


# ---- Handwriting ------------------------------------------------------------------------------------


def written(random: np.random.Generator, lines: int, exponents: float = 0.0, cells: int = 1) -> list[list[Box]]:
    """Lines as people write: digits of unequal height and width, none quite on the line, which runs a bit askew."""
    page = []
    pitch, wide = random.uniform(36, 65), random.uniform(160, 200)
    for row in range(lines):
        boxes: list[Box] = []
        askew = random.normal(0, 0.015)
        for cell in range(cells):
            x = cell * wide + random.uniform(0, 20)
            for place in range(int(random.integers(2, 5 if cells > 1 else 12))):
                height = 30 * math.exp(random.normal(0, 0.12))
                width = height * (0.2 if random.random() < 0.15 else random.uniform(0.45, 0.8))
                y = row * pitch + askew * x + random.normal(0, 2.4)
                if place and random.random() < exponents:
                    height, width, y = height / 2, width / 2, y - random.uniform(14, 17)
                elif place and random.random() < 0.2:
                    x += random.uniform(20, 60)
                boxes.append((x + width / 2, y, width, height))
                x += width + random.uniform(2, 15)
        page.append(boxes)
    return page


def share_right(**kind: float) -> float:
    """The share of 100 pages, turned by up to 10 degrees, that come to the lines they were written in."""
    right = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        lines = written(random, int(random.integers(1, 8)), kind.get("exponents", 0.0), int(kind.get("cells", 1)))
        boxes = np.array(turned([box for line in lines for box in line], random.uniform(-10, 10)), np.float32)
        ends = np.cumsum([len(line) for line in lines])
        wanted = [list(range(end - len(line), end)) for end, line in zip(ends, lines, strict=True)]
        right += text_lines(boxes) == wanted
    return right / 100


def test_written_lines() -> None:
    assert share_right() >= 0.97


def test_written_lines_with_exponents() -> None:
    assert share_right(exponents=0.15) >= 0.8


def test_written_tables() -> None:
    assert share_right(cells=3) >= 0.88
