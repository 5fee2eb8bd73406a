"""Patches cut out of composed pages: whose label is in their middle."""

from __future__ import annotations

import numpy as np

from digits.data.pages.page import UNCLEAR, Composed
from digits.data.pages.patches import NO_DIGIT, _misfits, cut_patches


def page() -> Composed:
    """Three upright bars, the last unclear, and a lying one that is no digit."""
    pixels = np.full((200, 300), 230, np.uint8)
    boxes = np.array([[50, 60, 10, 40], [120, 60, 10, 40], [200, 60, 10, 40]], np.float32)
    others = np.array([[150, 150, 40, 10]], np.float32)
    for x, y, wide, high in [*boxes.tolist(), *others.tolist()]:
        pixels[int(y - high / 2) : int(y + high / 2), int(x - wide / 2) : int(x + wide / 2)] = 30
    labels = np.array([1, 7, UNCLEAR], np.int8)
    return Composed(pixels, boxes, labels, np.zeros(3, np.int16), others, "bars")


def test_digits_keep_their_labels_and_all_else_is_none() -> None:
    cut = cut_patches([page()] * 50, np.random.default_rng(0))
    counts = {label: int((cut.labels == label).sum()) for label in set(cut.labels.tolist())}
    assert counts[1] == counts[7] == 50
    assert counts.keys() == {1, 7, NO_DIGIT}
    assert counts[NO_DIGIT] > 60, "the lying bar of each page, and boxes that fit nothing"
    upright = cut.images[cut.labels == 1]
    assert (upright[:, 8:20, 12:16].max(2).mean(1) > 150).all(), "a digit is in the middle of its patch"


def test_a_box_that_fits_an_unclear_digit_is_no_misfit() -> None:
    clear = np.array([[50, 60, 20, 40]] * 200, np.float32)
    below = np.array([[50, 60 + 0.8 * 40, 20, 40]], np.float32)
    alone = _misfits(clear, clear, np.random.default_rng(0))
    beside = _misfits(clear, np.concatenate([clear, below]), np.random.default_rng(0))
    assert 0 < len(beside) < len(alone)
    assert (np.abs(beside[:, 1] - below[0, 1]) > 0.4 * 40).all()


def test_where_nothing_is_written_boxes_lie_on_things() -> None:
    pixels = np.full((200, 300), 200, np.uint8)
    pixels[80:140, 100:180] = 60
    nothing = page()._replace(pixels=pixels, boxes=page().boxes[:0], labels=page().labels[:0], others=page().others[:0])
    cut = cut_patches([nothing] * 20, np.random.default_rng(0))
    assert len(cut.labels) >= 100
    assert (cut.labels == NO_DIGIT).all()
    assert (cut.images.max((1, 2)) > 150).mean() > 0.8, "nearly all of them show an edge of the thing"


def test_boxes_are_off_by_as_much_as_a_detectors() -> None:
    cut = cut_patches([page()] * 50, np.random.default_rng(0))
    ones = cut.images[cut.labels == 1].astype(float)
    centres = (ones.sum(1) @ np.arange(28)) / ones.sum((1, 2))
    assert 0.3 < centres.std() < 2.5


def test_the_same_random_state_cuts_the_same() -> None:
    first, second = (cut_patches([page()], np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)


def test_no_pages_no_patches() -> None:
    assert cut_patches([], np.random.default_rng(0)).images.shape == (0, 28, 28)
