"""Digits and signs drawn with a pen: the curves against the points they name, the digits against real ones."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from digits.data.synthetic import strokes
from digits.data.synthetic.alter import box_of
from digits.data.synthetic.draw import STEPS, draw, draw_digits, draw_symbols, parse
from digits.reading.patch import as_mnist
from tests.support.pictures import digits


def random() -> np.random.RandomState:
    return np.random.RandomState(0)


def test_a_stroke_passes_its_points_in_order() -> None:
    style = parse("0,0 50,10 60,90 20,100")
    way = style.weights @ style.points
    assert way[::STEPS] == pytest.approx(np.array([[0, 0], [0.5, 0.1], [0.6, 0.9], [0.2, 1.0]]))
    assert len(way) == 3 * STEPS + 1
    assert style.ends == (len(way),)


def test_a_stroke_is_straight_between_corners_and_round_elsewhere() -> None:
    style = parse("0,0! 100,0! 100,100!")
    way = style.weights @ style.points
    assert np.abs(way[:, 1] * (1 - way[:, 0])).max() == pytest.approx(0)  # along the top, then down the right side
    bent = parse("0,0 100,0 100,100")
    assert (bent.weights @ bent.points)[STEPS // 2, 1] < -0.05  # a spline overshoots before it turns


def test_a_stroke_goes_on_from_a_corner_where_it_came_to_it() -> None:
    style = parse("0,0 30,5 60,0! 20,100")
    way = style.weights @ style.points
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() < 0.25
    assert style.ends == (len(way),)


def test_strokes_end_where_the_next_begins() -> None:
    style = parse("0,0! 100,0! / 50,50! 50,100! / 0,0! 10,10!")
    assert style.ends == tuple((STEPS + 1) * number for number in (1, 2, 3))
    assert (style.weights @ style.points)[style.ends[0]].tolist() == [0.5, 0.5]


def test_every_style_fills_the_box() -> None:
    for text in (*strokes.SYMBOLS, *strokes.STICKS, *(text for each in strokes.DIGITS for text in each)):
        boxes = [box_of(picture) for picture in draw((text,), 5, random())]
        longest = [max(right - left, bottom - top) + 1 for left, top, right, bottom in boxes]
        assert max(longest) == 20, text
        assert min(longest) >= 18, text  # what is faint at the ends may round to nothing


def test_what_is_drawn_follows_from_the_seed() -> None:
    first, labels = draw_digits(60, random())
    again, _ = draw_digits(60, random())
    other, _ = draw_digits(60, np.random.RandomState(1))
    assert np.array_equal(first, again)
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    assert len({picture.tobytes() for picture in first}) == 60
    assert np.bincount(labels).tolist() == [6] * 10
    assert np.array_equal(draw_symbols(20, random()), draw_symbols(20, random()))


def test_pens_go_from_a_hairline_to_a_marker() -> None:
    pictures, labels = draw_digits(2000, random())
    ink = pictures.sum((1, 2)) / 255
    eights = ink[labels == 8]
    # an 8 is about 50 pixels of way on 20 of height: a hairline of half a pixel, a marker of three and more
    assert np.quantile(eights, 0.02) < 40
    assert np.quantile(eights, 0.98) > 130
    sticks = [p for p in pictures[labels == 1] if (p > 127).any(0).sum() * 2 < (p > 127).any(1).sum()]
    assert max((p[14] > 127).sum() for p in sticks) >= 6  # as thick as a third of its height


def test_drawn_digits_are_what_readers_of_real_ones_take_them_for() -> None:
    real = np.array([as_mnist(picture) for picture in digits(1797).numpy()])
    readers = KNeighborsClassifier(5).fit(real.reshape(len(real), -1), load_digits().target)
    pictures, labels = draw_digits(2000, random())
    read = readers.predict(pictures.reshape(len(pictures), -1))
    for label in range(10):  # many styles are none of theirs, but each is taken for itself most often
        assert np.bincount(read[labels == label]).argmax() == label
    assert (read == labels).mean() > 0.55
