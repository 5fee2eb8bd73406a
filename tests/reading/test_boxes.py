"""Maps to boxes, each digit once: ideal maps painted for known boxes, and boxes that compete."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digits.reading.boxes import CHANNELS, REFERENCE, STRIDE, Found, decode, joined, sizes, suppress
from digits.reading.detect import PADDING, Grey, detect, levels, text_of

Box = tuple[float, float, float, float]
Floats = npt.NDArray[np.float32]


def paint(shape: tuple[int, int], boxes: Sequence[Box], labels: Sequence[int], smaller: bool = False) -> Floats:
    """The maps of a net that knows: `boxes` in pixels of what it takes, (H, W), those of the level's sizes only."""
    rows, columns = shape[0] // STRIDE, shape[1] // STRIDE
    maps = np.zeros((1, CHANNELS, rows, columns), np.float32)
    maps[0, 0] = -9.0
    maps[0, 15] = 5.0 if smaller else -5.0
    for (x, y, width, height), label in zip(boxes, labels, strict=True):
        for row in range(rows):
            for column in range(columns):
                away = math.hypot((column + 0.5) * STRIDE - x, (row + 0.5) * STRIDE - y)
                if away < 2 * STRIDE and 6.0 - away > maps[0, 0, row, column]:
                    maps[0, 0, row, column] = 6.0 - away
                    maps[0, 1:11, row, column] = np.where(np.arange(10) == label, 4.0, -4.0)
                    maps[0, 11, row, column] = x / STRIDE - (column + 0.5)
                    maps[0, 12, row, column] = y / STRIDE - (row + 0.5)
                    maps[0, 13, row, column] = math.log(width / 24)
                    maps[0, 14, row, column] = math.log(height / 24)
    return maps


class Oracle:
    """A net that knows the digits on a picture: it answers each level with those of 15 to 36 pixels there."""

    def __init__(self, grey: Grey, boxes: Sequence[Box], labels: Sequence[int]) -> None:
        self.scales = {level.image.shape: level.scale for level in levels(grey)}
        self.boxes, self.labels = boxes, labels
        self.asked: list[int] = []
        """Longest sides of what it was given."""

    def __call__(self, image: Floats) -> Floats:
        across, down = self.scales[image.shape]
        self.asked.append(max(image.shape))
        here = [
            (x * across + PADDING, y * down + PADDING, width * across, height * down)
            for x, y, width, height in self.boxes
        ]
        size = [max(height, 0.9 * width) for _, _, width, height in here]
        seen = [index for index, pixels in enumerate(size) if 15 <= pixels <= 36]
        return paint(
            (image.shape[2], image.shape[3]),
            [here[index] for index in seen],
            [self.labels[index] for index in seen],
            smaller=min(size) < 15,
        )


def found(*digits: tuple[Box, float]) -> Found:
    """Boxes with their objectness."""
    return Found(
        np.array([digit[0] for digit in digits], np.float32).reshape(-1, 4),
        np.array([digit[1] for digit in digits], np.float32),
        np.full((len(digits), 10), 0.1, np.float32),
    )


def kept(*digits: tuple[Box, float]) -> set[Box]:
    return {(float(x), float(y), float(width), float(height)) for x, y, width, height in suppress(found(*digits)).boxes}


# ---- Maps -------------------------------------------------------------------------------------------


def test_one_cell_by_hand() -> None:
    maps = np.full((1, CHANNELS, 8, 8), -20.0, np.float32)
    maps[0, 0, 2, 5] = math.log(0.8 / 0.2)
    maps[0, 1:11, 2, 5] = 0.0
    maps[0, 4, 2, 5] = math.log(11.0)  # 3, of ten classes: 11 / (11 + 9)
    maps[0, 11:15, 2, 5] = [0.25, -0.5, math.log(12 / REFERENCE), math.log(36 / REFERENCE)]
    digits = decode(maps, 0.5, (2.0, 0.5), (-3, 7))
    assert digits.boxes == pytest.approx(np.array([[(5.75 * 4 - 3) / 2, (2 * 4 + 7) / 0.5, 12 / 2, 36 / 0.5]]))
    assert digits.objectness == pytest.approx([0.8])
    assert digits.probabilities[0] == pytest.approx([0.05] * 3 + [0.55] + [0.05] * 6)
    assert len(decode(maps, 0.81).boxes) == 0


def test_only_the_highest_of_neighbouring_cells_is_a_digit() -> None:
    maps = paint((64, 64), [(22, 30, 14, 24), (38, 30, 14, 24)], [4, 7])
    digits = decode(maps, 0.01)
    assert digits.boxes == pytest.approx(np.array([[22, 30, 14, 24], [38, 30, 14, 24]]), abs=1e-3)
    assert digits.probabilities.argmax(1).tolist() == [4, 7]


@pytest.mark.parametrize("size", [10.0, 47.0])
def test_what_is_too_large_or_small_for_a_level_is_left_to_another(size: float) -> None:
    assert len(decode(paint((96, 96), [(48, 48, 8, size)], [1]), 0.5).boxes) == 0


def test_a_wide_digit_counts_by_its_width() -> None:
    assert sizes(np.array([[0, 0, 40, 20], [0, 0, 10, 20]], np.float32)) == pytest.approx([36, 20])


# ---- Pictures ---------------------------------------------------------------------------------------

LAYOUTS: dict[str, tuple[tuple[int, int], list[Box]]] = {
    "fills the picture": ((28, 28), [(14, 14, 20, 27)]),
    "small in a small one": ((28, 28), [(9, 12, 6, 9)]),
    "a line": ((60, 400), [(40 + 45 * k, 30, 25, 40) for k in range(8)]),
    "sizes from 14 to 500": (
        (700, 900),
        [(40, 40, 8, 14), (90, 60, 20, 30), (240, 100, 80, 140), (600, 400, 380, 500)],
    ),
    "a stick": ((100, 200), [(50, 50, 4, 60), (90, 50, 5, 60)]),
    "large picture": ((1500, 2000), [(300, 300, 30, 40), (1000, 700, 500, 800)]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("times", [1, 2])
def test_each_box_is_found_once_at_its_place_and_the_same_in_a_picture_twice_as_large(layout: str, times: int) -> None:
    (height, width), boxes = LAYOUTS[layout]
    grey = np.full((height * times, width * times), 255, np.uint8)
    larger = [(times * x, times * y, times * wide, times * high) for x, y, wide, high in boxes]
    labels = [(3 * index + 1) % 10 for index in range(len(boxes))]
    digits = detect(Oracle(grey, larger, labels), grey)
    order = [int(np.abs(digits.boxes - np.array(box)).sum(1).argmin()) for box in larger]
    assert len(digits.boxes) == len(boxes)
    assert digits.boxes[order] == pytest.approx(np.array(larger), rel=1e-3, abs=0.01)
    assert digits.probabilities[order].argmax(1).tolist() == labels


def test_digits_are_read_in_lines() -> None:
    grey = np.full((200, 300), 255, np.uint8)
    boxes: list[Box] = [(x, y, 20, 30) for y in (50, 120) for x in (40, 80, 120)]
    assert text_of(detect(Oracle(grey, boxes, [3, 1, 4, 1, 5, 9]), grey)) == "314\n159"


def test_a_blank_picture_has_no_text() -> None:
    digits = detect(lambda image: paint((image.shape[2], image.shape[3]), [], []), np.zeros((100, 200), np.uint8))
    assert digits.boxes.shape == (0, 4)
    assert digits.probabilities.shape == (0, 10)
    assert text_of(digits) == ""


def test_what_lies_beyond_the_edge_is_no_digit() -> None:
    grey = np.full((64, 64), 255, np.uint8)
    assert len(detect(Oracle(grey, [(-3, 30, 12, 20)], [1]), grey).boxes) == 0


@pytest.mark.parametrize(("gate", "finest"), [(None, 1024), (0.5, 256)])
def test_finer_levels_are_left_out_if_the_net_sees_no_smaller_digits(gate: float | None, finest: int) -> None:
    grey = np.full((800, 800), 255, np.uint8)
    oracle = Oracle(grey, [(400, 400, 200, 300)], [5])
    digits = detect(oracle, grey, gate=gate)
    assert oracle.asked[-1] == finest + 2 * PADDING
    assert text_of(digits) == "5"


def test_finer_levels_are_looked_at_where_smaller_digits_are() -> None:
    grey = np.full((800, 800), 255, np.uint8)
    oracle = Oracle(grey, [(400, 400, 200, 300), (100, 100, 10, 16)], [5, 2])
    assert len(detect(oracle, grey, gate=0.5).boxes) == 2
    assert oracle.asked[-1] == 1024 + 2 * PADDING


class Seeing:
    """A net that takes dark rectangles for digits of the class 5, and says where smaller ones are."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, image: Floats) -> Floats:
        dark = (image[0, 0] < 0.5).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(dark)
        boxes = [(x + w / 2, y + h / 2, w, h) for x, y, w, h, _ in stats[1:].tolist()]
        right = [box for box in boxes if 15 <= max(box[3], 0.9 * box[2]) <= 36]
        maps = paint(dark.shape, right, [5] * len(right))
        for x, y, wide, high in boxes:
            if max(high, 0.9 * wide) < 12:
                maps[0, 15, int(y) // STRIDE, int(x) // STRIDE] = 8.0
        self.asked.append(dark.shape)
        return maps


@pytest.mark.parametrize("flipped", [False, True])
def test_of_finer_levels_the_part_with_smaller_digits_is_looked_at(flipped: bool) -> None:
    grey = np.full((700, 1000), 255, np.uint8)
    boxes = [(150, 300, 90, 200), (700, 150, 12, 20), (800, 152, 12, 20), (760, 420, 14, 22)]
    for x, y, wide, high in boxes:
        grey[y - high // 2 : y + high // 2, x - wide // 2 : x + wide // 2] = 0
    grey = np.ascontiguousarray(grey[::-1, ::-1]) if flipped else grey
    places = {(1000 - x, 700 - y) if flipped else (x, y) for x, y, _, _ in boxes}
    gated, whole = Seeing(), Seeing()
    digits = detect(gated, grey, gate=0.5)
    assert all(min(math.dist(place, box[:2]) for box in digits.boxes.tolist()) < 4 for place in places)
    everywhere = detect(whole, grey)
    assert np.sort(digits.boxes, axis=0) == pytest.approx(np.sort(everywhere.boxes, axis=0), abs=0.01)
    high, wide = gated.asked[-1]
    assert high * wide < 0.4 * whole.asked[-1][0] * whole.asked[-1][1]
    assert high % 16 == wide % 16 == 0


# ---- Suppression ------------------------------------------------------------------------------------


def test_of_boxes_that_overlap_much_the_most_certain_stays() -> None:
    one, other, beside = (50, 50, 20, 30), (57, 50, 20, 30), (68, 50, 20, 30)
    assert kept((one, 0.6), (other, 0.9), (beside, 0.5)) == {other, beside}


def test_the_most_certain_comes_first() -> None:
    digits = suppress(found(((20, 20, 10, 20), 0.5), ((90, 20, 10, 20), 0.9), ((50, 20, 10, 20), 0.7)))
    assert digits.objectness == pytest.approx([0.9, 0.7, 0.5])


def test_two_sticks_side_by_side_are_two() -> None:
    sticks = (50, 50, 4, 40), (61, 50, 4, 40)
    assert kept((sticks[0], 0.9), (sticks[1], 0.6)) == set(sticks)


@pytest.mark.parametrize("again", [(53, 50, 4, 40), (52, 46, 3, 28), (51, 55, 5, 52)])
def test_a_stick_found_twice_is_one(again: Box) -> None:
    assert kept(((50, 50, 4, 40), 0.9), (again, 0.6)) == {(50, 50, 4, 40)}


WHOLE = (100, 100, 70, 100)
LOOPS = (100, 77, 40, 44), (100, 124, 44, 46)  # of an 8
STROKES = (80, 100, 8, 60), (120, 100, 8, 60), (100, 55, 30, 10)  # of a 0


@pytest.mark.parametrize("parts", [LOOPS, STROKES])
def test_a_large_digit_wins_against_its_parts_at_a_finer_level(parts: tuple[Box, ...]) -> None:
    assert kept((WHOLE, 0.86), *((part, 0.85) for part in parts)) == {WHOLE}


def test_digits_that_are_clearly_more_certain_win_against_what_surrounds_them() -> None:
    assert kept((WHOLE, 0.5), *((part, 0.9) for part in LOOPS)) == set(LOOPS)


def test_parts_count_by_their_mean() -> None:
    both = ((LOOPS[0], 0.98), (LOOPS[1], 0.7))
    assert kept((WHOLE, 0.85), *both) == {WHOLE}
    assert kept((WHOLE, 0.85), both[0]) == {LOOPS[0]}


def test_parts_that_are_hardly_digits_do_not_weigh_on_those_that_are() -> None:
    parts = ((LOOPS[0], 0.9), (LOOPS[1], 0.9), ((75, 60, 10, 14), 0.2))
    assert kept((WHOLE, 0.8), *parts) >= set(LOOPS), "the mean of all three is less than the whole"


def test_two_digits_win_against_one_box_around_both_at_their_own_level() -> None:
    pair = (45, 50, 18, 30), (65, 50, 18, 30)
    assert kept(((55, 50, 40, 31), 0.7), *((digit, 0.75) for digit in pair)) == set(pair)
    assert kept(((55, 50, 40, 31), 0.8), *((digit, 0.75) for digit in pair)) == {(55, 50, 40, 31)}


def test_parts_of_parts_do_not_count() -> None:
    speck = (100, 70, 12, 14)  # in the upper loop, and no match for it
    digits = ((WHOLE, 0.6), (LOOPS[0], 0.9), (LOOPS[1], 0.9), (speck, 0.5))
    assert kept(*digits) == set(LOOPS)


def test_nothing_found() -> None:
    assert len(suppress(joined([])).boxes) == 0
