"""A digit cut out by its box: the form that the classifier knows, whatever the light, the pen and the polarity."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digits.reading.box_patch import box_patches, paper_of

Grey = npt.NDArray[np.uint8]


def bar(paper: int, ink: int, size: int = 120) -> Grey:
    """A page with an upright bar of 10 x 40 pixels in its middle."""
    page = np.full((size, size), paper, np.uint8)
    page[40:80, 55:65] = ink
    return page


BOX = np.array([[60, 60, 10, 40]], np.float32)


def test_the_longer_side_becomes_twenty_pixels_in_the_middle() -> None:
    (patch,) = box_patches(bar(200, 20), BOX)
    rows, columns = np.flatnonzero(patch.max(1) > 128), np.flatnonzero(patch.max(0) > 128)
    assert (rows[0], rows[-1] + 1) == (4, 24)
    assert (columns[0] + columns[-1] + 1) / 2 == 14
    assert patch[14].sum() / 255 == pytest.approx(5, abs=0.3), "10 of 40 pixels"


@pytest.mark.parametrize(("paper", "ink"), [(200, 20), (20, 200), (128, 118), (250, 240)])
def test_ink_is_white_on_black_whatever_it_was(paper: int, ink: int) -> None:
    (patch,) = box_patches(bar(paper, ink), BOX)
    assert patch[14, 14] == 255
    assert patch[0, 0] == patch[-1, -1] == 0


def test_uneven_light_is_made_even() -> None:
    light = np.linspace(0.5, 1.0, 120)[None] * np.linspace(0.8, 1.0, 120)[:, None]
    (patch,) = box_patches((bar(220, 40) * light).astype(np.uint8), BOX)
    (even,) = box_patches(bar(220, 40), BOX)
    assert np.abs(patch.astype(int) - even).max() < 60
    assert patch[:, :8].max() < 20


def test_a_neighbours_stroke_is_left_in_the_patch() -> None:
    page = bar(200, 20)
    page[40:80, 75:80] = 20
    (patch,) = box_patches(page, BOX)
    assert patch[14, 20:26].max() > 200


def test_a_box_at_the_edge_gets_the_edges_grey() -> None:
    page = np.full((50, 50), 200, np.uint8)
    page[0:30, 0:8] = 20
    (patch,) = box_patches(page, np.array([[4, 15, 8, 30]], np.float32))
    assert patch.shape == (28, 28)
    assert patch[14, 13] > 200


def test_a_large_digit_is_averaged_not_sampled() -> None:
    page = np.full((1200, 1200), 255, np.uint8)
    page[300:900:2, 550:650] = 0  # every other row
    (patch,) = box_patches(page, np.array([[600, 600, 100, 600]], np.float32))
    assert patch[6:22, 14].min() > 200, "grey all over, and so the darkest there is"
    assert np.ptp(patch[6:22, 14]) < 30


def test_no_boxes_no_patches() -> None:
    assert box_patches(bar(200, 20), np.empty((0, 4), np.float32)).shape == (0, 28, 28)


def test_paper_is_a_plane_that_ink_does_not_tilt() -> None:
    y, x = np.mgrid[0:56, 0:56].astype(np.float32)
    plane = 100 + 0.5 * x - 0.3 * y
    inked = plane.copy()
    cv2.line(inked, (28, 5), (28, 50), 0.0, 6)
    assert np.abs(paper_of(inked) - plane).max() < 2
