"""Crops of pages: the boxes are where the digits are, and of the sizes that are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from digits.data.pages.crops import random_crop
from digits.data.pages.page import UNCLEAR, Composed, Grey
from digits.data.pages.rows import NO_BOX, PageRows
from digits.reading.boxes import LARGEST, SMALLEST

SIDE = 128


def page_with(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (300, 400)) -> Composed:
    """White paper with a black rectangle in each box: centre x, centre y, width, height."""
    pixels = np.full(size, 255, np.uint8)
    for x, y, wide, high in boxes:
        pixels[y - high // 2 : y - high // 2 + high, x - wide // 2 : x - wide // 2 + wide] = 0
    return Composed(
        pixels,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.arange(len(boxes), dtype=np.int8) % 10,
        np.zeros(len(boxes), np.int16),
        np.zeros((0, 4), np.float32),
        "",
    )


def ink_box(pixels: Grey, *, white: bool) -> tuple[float, ...] | None:
    """The box of what is ink in a crop of white or of black paper; None where there is none."""
    ink = pixels < 128 if white else pixels >= 128
    rows, columns = np.flatnonzero(ink.mean(1) > 0.01), np.flatnonzero(ink.mean(0) > 0.01)
    if not len(rows) or not len(columns):
        return None
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def test_boxes_are_where_the_ink_is() -> None:
    page = page_with((180, 140, 30, 44))
    compared, polarities = 0, set()
    for seed in range(150):
        pixels, boxes, labels = random_crop(page, SIDE, np.random.default_rng(seed))
        assert pixels.shape == (SIDE, SIDE)
        assert pixels.dtype == np.uint8
        if len(boxes) != 1 or labels[0] == UNCLEAR or boxes[0, 2] * boxes[0, 3] > 0.3 * SIDE**2:
            continue
        whole = (np.abs(boxes[0, :2] - SIDE / 2) + boxes[0, 2:] / 2 < SIDE / 2 - 2).all()
        white = bool(np.median(pixels) > 128)
        found = ink_box(pixels, white=white)
        if not whole or found is None or boxes[0, 3] < 12:
            continue
        np.testing.assert_allclose(boxes[0], found, atol=2.5, err_msg=str(seed))
        compared += 1
        polarities.add(white)
    assert compared > 80
    assert polarities == {True, False}


def test_most_digits_have_a_size_that_a_level_is_asked_about() -> None:
    for height in (20, 60, 250):
        page = page_with((200, 150, height // 2, height))
        sizes = []
        for seed in range(300):
            _, boxes, _ = random_crop(page, SIDE, np.random.default_rng(seed))
            sizes += boxes[:, 3].tolist()
        fitting = np.mean([SMALLEST - 1 <= size <= LARGEST + 1 for size in sizes])
        assert 0.6 < fitting < 0.9, height
        assert max(sizes) > 1.5 * LARGEST or height == 20, "small ones are not enlarged without end"
        assert min(sizes) < 0.6 * SMALLEST


def test_what_is_cut_off_is_unclear_and_what_is_hardly_seen_left_out() -> None:
    page = page_with(*((x, y, 40, 60) for x in (40, 120, 200, 280, 360) for y in (60, 150, 240)))
    shares: dict[str, list[float]] = {"clear": [], "unclear": []}
    for seed in range(200):
        _, boxes, labels = random_crop(page, SIDE, np.random.default_rng(seed))
        low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
        seen = np.prod(np.clip(high, 0, SIDE) - np.clip(low, 0, SIDE), axis=1) / np.prod(boxes[:, 2:], axis=1)
        shares["unclear"] += seen[labels == UNCLEAR].tolist()
        shares["clear"] += seen[labels != UNCLEAR].tolist()
    assert min(shares["clear"]) > 0.79
    assert 0.2 < min(shares["unclear"]) < 0.4
    assert max(shares["unclear"]) < 0.81, "but for rounding"


def test_a_page_without_digits_is_cropped_too() -> None:
    pixels, boxes, labels = random_crop(page_with(), SIDE, np.random.default_rng(0))
    assert (pixels.shape, boxes.shape, labels.shape) == ((SIDE, SIDE), (0, 4), (0,))


@pytest.mark.parametrize("size", [(20, 30), (900, 40)])
def test_beyond_a_page_there_is_paper(size: tuple[int, int]) -> None:
    """Not black, which would be an edge that no picture has."""
    page = page_with((15, 10, 6, 10), size=size)
    for seed in range(20):
        pixels, _, _ = random_crop(page, SIDE, np.random.default_rng(seed))
        paper = np.median(pixels)
        corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(float)
        assert (np.abs(corners - paper) < 100).all(), seed


# ---- Batches --------------------------------------------------------------------------------------------


@pytest.fixture
def rows() -> PageRows:
    return PageRows([page_with(), page_with((100, 100, 30, 40), (160, 100, 20, 40))], side=64, crops=3)


def test_a_crop_follows_from_the_seed_and_its_row(rows: PageRows) -> None:
    assert len(rows) == 6
    whole = rows.batch(torch.arange(6), seed=5)
    turned = rows.batch(torch.tensor([4, 1]), seed=5)
    for i, row in enumerate((4, 1)):
        assert torch.equal(turned.images[i], whole.images[row])
        there = whole.labels[row] != NO_BOX
        assert torch.equal(turned.boxes[i][turned.labels[i] != NO_BOX], whole.boxes[row][there])
    assert not torch.equal(whole.images[3], whole.images[4]), "two crops of a page"
    assert not torch.equal(rows.batch(torch.tensor([4]), seed=6).images[0], turned.images[0])


def test_a_batch_is_filled_up_with_no_boxes(rows: PageRows) -> None:
    batch = rows.batch(torch.arange(6), seed=5)
    assert (batch.images.shape, batch.images.dtype) == ((6, 1, 64, 64), torch.uint8)
    assert batch.boxes.shape[:2] == batch.labels.shape
    assert batch.indices.tolist() == list(range(6))
    assert bool((batch.labels[:3] == NO_BOX).all()), "the first page has no digit"
    assert bool((batch.labels[3:] >= UNCLEAR).any())
    assert batch.pages == ()
    empty = rows.batch(torch.tensor([], dtype=torch.int64), seed=5)
    assert (empty.images.shape, empty.boxes.shape) == ((0, 1, 64, 64), (0, 1, 4))


def test_whole_pages_come_beside_their_crops() -> None:
    pages = [page_with(), page_with((100, 100, 30, 40))]
    batch = PageRows(pages, side=64, whole=True).batch(torch.tensor([1, 0]), seed=0)
    assert [page is pages[row] for page, row in zip(batch.pages, (1, 0), strict=True)] == [True, True]
