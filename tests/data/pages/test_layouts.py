"""What is written on pages: digits where their boxes say, in the order of their lines, touching where they should."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from digits.data.pages.compose import compose, numbered
from digits.data.pages.layouts.catalogue import BLANK, LAYOUTS
from digits.data.pages.layouts.forms import write_columns
from digits.data.pages.layouts.singles import put_digit
from digits.data.pages.layouts.strings import write_block, write_cut_string
from digits.data.pages.layouts.writing import INK, Scribe, Style, write_line
from digits.data.pages.page import UNCLEAR, Composed, Page, Random, Writer
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock
from tests.support.pictures import digits

WRITTEN = [name for name in LAYOUTS if not name.startswith(BLANK)]
BLANKS = [name for name in LAYOUTS if name.startswith(BLANK)]
STROKES = (0.0, 0.0, 1.0, 0.0)  # kinds of a writer whose digits are drawn


@cache
def stock() -> Stock:
    images, labels = digits(200).numpy(), load_digits().target[:200].astype(np.int64)
    return Stock(images, labels, distance_maps(images))


def seeded(seed: int) -> Random:
    return np.random.default_rng(seed)


def scribe(seed: int, height: int = 384, width: int = 384) -> Scribe:
    return Scribe(Page(height, width), stock(), seeded(seed))


def composed(boxes: npt.NDArray[np.float32], labels: list[int], lines: list[int]) -> Composed:
    return Composed(
        np.zeros((60, 60), np.uint8),
        boxes,
        np.array(labels, np.int8),
        np.array(lines, np.int16),
        np.zeros((0, 4), np.float32),
        "",
    )


def along_and_below(page: Page, turn: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where the digits' middles are in the direction of lines with that turn, and below it."""
    x, y = np.array(page.boxes)[:, 0], np.array(page.boxes)[:, 1]
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_state_same_page(layout: str) -> None:
    one, other = (compose(seeded(3), stock(), layout) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (
        one.pixels.shape != compose(seeded(4), stock(), layout).pixels.shape
        or (one.pixels != compose(seeded(4), stock(), layout).pixels).any()
    )


@pytest.mark.parametrize("seed", range(20))
def test_box_is_the_inks(seed: int) -> None:
    written = scribe(seed)
    put_digit(written, written.stock.new_writer(written.random, 90, 0.1))
    rows, columns = (np.flatnonzero((written.page.ink >= 0.25).any(axis=axis)) for axis in (1, 0))
    x, y, wide, high = written.page.boxes[0]
    assert (x - wide / 2, x + wide / 2) == pytest.approx((columns[0], columns[-1] + 1), abs=1)
    assert (y - high / 2, y + high / 2) == pytest.approx((rows[0], rows[-1] + 1), abs=1)


def test_of_many_pages_a_fifth_has_no_digit_and_every_class_is_as_likely() -> None:
    pages = [compose(seeded(seed), stock()) for seed in range(300)]
    empty = np.mean([len(page.labels) == 0 for page in pages])
    weights = {name: layout.weight for name, layout in LAYOUTS.items()}
    blank = sum(weight for name, weight in weights.items() if name.startswith(BLANK)) / sum(weights.values())
    assert 0.19 < blank < 0.23
    assert abs(empty - blank) < 0.07, "three standard deviations of 300 pages"
    labels = np.concatenate([page.labels for page in pages])
    shares = np.bincount(labels[labels != UNCLEAR], minlength=10) / (labels != UNCLEAR).sum()
    assert 0.07 < shares.min() <= shares.max() < 0.13
    assert 6 < len(labels) / len(pages) < 16
    for page in pages:
        assert page.layout.startswith(BLANK) == (len(page.labels) == 0)
        height, width = page.pixels.shape
        assert page.pixels.dtype == np.uint8
        assert min(height, width) >= 5
        assert max(height, width) <= 384
        x, y, wide, high = page.boxes.T
        assert (page.boxes[:, 2:] >= 2).all()
        assert (x - wide / 2 >= -1).all()
        assert (y - high / 2 >= -1).all()
        assert (x + wide / 2 <= width + 1).all()
        assert (y + high / 2 <= height + 1).all()


@pytest.mark.parametrize("layout", BLANKS)
def test_letters_have_no_label(layout: str) -> None:
    assert all(len(compose(seeded(seed), stock(), layout).labels) == 0 for seed in range(4))


@pytest.mark.parametrize("layout", WRITTEN)
def test_digits_of_a_line_are_written_from_left_to_right(layout: str) -> None:
    for seed in range(4):
        page = compose(seeded(seed), stock(), layout)
        assert len(page.labels)
        for line in set(page.lines.tolist()) - {-1}:
            assert (np.diff(page.boxes[page.lines == line, 0]) > 0).all()


@pytest.mark.parametrize("turn", [-0.3, 0.0, 0.15])
def test_lines_have_numbers_from_the_top(turn: float) -> None:
    written = scribe(5)
    writer = written.stock.new_writer(written.random, 20, turn)
    write_block(written, writer, ["123", "456", "789", "012"], Style(), 2.0, 0.5)
    lines = np.array(written.page.lines)
    u, v = along_and_below(written.page, turn)
    assert (np.diff([v[lines == line].mean() for line in range(4)]) > 20).all()
    assert all((np.diff(u[lines == line]) > 0).all() for line in range(4))
    assert np.abs(v - np.array([v[lines == line].mean() for line in lines])).max() < 10


@pytest.mark.parametrize("seed", range(6))
def test_columns_are_numbered_from_the_left(seed: int) -> None:
    written = scribe(seed)
    write_columns(written)
    lines, boxes = np.array(written.page.lines), np.array(written.page.boxes)
    means = np.array([boxes[lines == line, :2].mean(axis=0) for line in np.unique(lines)])
    new = np.flatnonzero(np.diff(means[:, 1]) < 0) + 1
    columns = np.split(means[:, 0], new)
    assert len(columns) in (2, 3)
    assert all(left.max() < right.min() for left, right in pairwise(columns))


def test_string_cut_out_along_its_box_keeps_its_digits() -> None:
    tight = 0
    for seed in range(40):
        written = scribe(seed, 200)
        write_cut_string(written)
        labels, lines = written.page.labels.copy(), written.page.lines.copy()
        assert written.cut is not None
        written.page.cut_out(*written.cut)
        assert written.page.labels == labels
        assert UNCLEAR not in labels
        assert written.page.lines == lines
        tops = [box[1] - box[3] / 2 for box in written.page.boxes]
        assert 0 <= min(tops) <= 0.26 * written.page.size[0]
        tight += min(tops) <= 2
    assert tight > 12


@pytest.mark.parametrize("turn", [0.0, 0.2])
@pytest.mark.parametrize(("gap", "parts"), [((-0.12, -0.01), 1), ((0.06, 0.2), 6)])
def test_strokes_touch_where_gaps_are_below_zero_only(turn: float, gap: tuple[float, float], parts: int) -> None:
    for seed in range(15):
        written = scribe(seed)
        writer = Writer(40, 4, turn, kinds=STROKES, forms=dict.fromkeys(range(10), 0))
        write_line(written, writer, "236893", (20, 180), Style(gap=gap, kern=1.0, nested=1.0))
        assert written.page.labels == [2, 3, 6, 8, 9, 3]
        components, _ = cv2.connectedComponents((written.page.ink > INK).astype(np.uint8), connectivity=8)
        assert components - 1 == parts


def test_exponents_are_small_and_high() -> None:
    written = scribe(1)
    write_line(written, Writer(40, 3, kinds=STROKES), "8^8_88", (20, 180), Style(jitter=0))
    heights = [box[3] for box in written.page.boxes]
    feet = [box[1] + box[3] / 2 for box in written.page.boxes]
    assert max(heights[1:3]) < 0.8 * min(heights[0], heights[3])
    assert feet[1] < 165 < 178 < feet[0] < 182 < feet[2]


def test_text_is_the_lines_from_the_top() -> None:
    boxes = np.array([[10, 40, 4, 8], [10, 10, 4, 8], [20, 10, 4, 8], [20, 40, 4, 8]], np.float32)
    assert composed(boxes, [1, 2, 3, 4], [1, 0, 0, 1]).text == "23\n14"
    assert composed(boxes, [1, 2, 3, 4], [1, 0, 0, -1]).text is None
    assert composed(boxes, [1, 2, UNCLEAR, 4], [1, 0, 0, 1]).text == "2\n14", "what is unclear is not asked for"
    assert compose(seeded(0), stock(), "scatter").text is None


def test_lines_without_digits_have_no_number() -> None:
    assert numbered(np.array([4, 2, -1, 4, 9], np.int16)).tolist() == [1, 0, -1, 1, 2]
