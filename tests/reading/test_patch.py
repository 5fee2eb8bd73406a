"""A digit's ink in MNIST's form: by itself, out of a box, and as the one thing on a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from digits.data.datasets import read_dataset
from digits.reading.patch import as_mnist, box_patches, ink_box, one_digit, paper_of, tightened

Grey = npt.NDArray[np.uint8]


# ---- By itself --------------------------------------------------------------------------------------


def test_a_picture_of_mnist_stays_as_it_is(mnist_root: Path) -> None:
    images = read_dataset("mnist", str(mnist_root), None).test_images[:500]
    boxed = [image for image in images if 20 in (image.any(0).sum(), image.any(1).sum())]  # others lost faint rows
    assert len(boxed) > 300
    same = [np.array_equal(as_mnist(image), image) for image in boxed]
    assert np.mean(same) > 0.95  # a centre of mass half way between two pixels was rounded differently


def test_the_longer_side_fills_twenty_pixels_and_areas_are_averaged() -> None:
    ink = np.zeros((64, 50), np.uint8)
    ink[10:50, 5:13] = 255
    ink[10:50, 6] = 0  # half of the first new column
    patch = as_mnist(ink)
    rows, columns = np.flatnonzero(patch.any(1)), np.flatnonzero(patch.any(0))
    assert (len(rows), len(columns)) == (20, 4)
    assert patch[rows[5], columns].tolist() == [128, 255, 255, 255]


def test_the_centre_of_mass_is_the_centre() -> None:
    ink = np.zeros((30, 30), np.uint8)
    ink[3:23, 2:6] = ink[3:7, 2:22] = 255
    patch = as_mnist(ink).astype(np.float64)
    for profile in (patch.sum(0), patch.sum(1)):
        assert profile @ np.arange(28) / profile.sum() == pytest.approx(14, abs=0.5)


def test_a_picture_without_ink_is_refused() -> None:
    with pytest.raises(ValueError, match="the picture is black; leave out those without ink"):
        as_mnist(np.zeros((9, 9), np.uint8))


# ---- Out of a box -----------------------------------------------------------------------------------


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


def test_a_box_ends_where_the_ink_does_but_not_where_it_goes_on() -> None:
    page = bar(200, 20)
    page[60:64, 65:90] = 20  # another's stroke, which touches on the right
    loose = np.array([[61, 59, 12, 44], [61, 59, 12, 44]], np.float32)
    for x, y, wide, high in tightened(page, loose).tolist():
        assert (x - wide / 2, y - high / 2, y + high / 2) == (55, 40, 80)
        assert x + wide / 2 == 67, "as it was"
    assert tightened(255 - page, loose) == pytest.approx(tightened(page, loose))
    blank = np.full((100, 100), 255, np.uint8)
    assert np.array_equal(tightened(blank, loose), loose)


# ---- The one thing on a picture ---------------------------------------------------------------------


def page(*lines: tuple[int, int, int, int], size: int = 200) -> Image.Image:
    image = Image.new("L", (size, size), "white")
    for line in lines:
        ImageDraw.Draw(image).line(line, fill="black", width=8)
    return image


def test_strokes_that_do_not_touch_are_one_digit_and_what_is_far_is_not() -> None:
    strokes = (60, 40, 120, 40), (60, 55, 60, 100), (64, 112, 120, 112)
    for more in ((), ((180, 150, 180, 175),)):
        box = ink_box(np.asarray(page(*strokes, *more)))
        assert box == pytest.approx([88.5, 76, 65, 80], abs=2)


def test_what_reaches_in_from_the_edge_is_no_digit() -> None:
    with_desk = np.asarray(page((60, 40, 60, 120), (84, 40, 84, 120))).copy()
    with_desk[150:] = 60
    box = ink_box(with_desk)
    assert box == pytest.approx([72, 80, 32, 81], abs=2)


def test_a_digit_up_to_the_edge_is_taken_rather_than_a_dot_inside() -> None:
    tight = np.full((40, 30), 255, np.uint8)
    tight[0:30, 12:17] = 0
    tight[34:37, 20:23] = 0
    box = ink_box(tight)
    assert box is not None
    assert box[3] > 25


def test_specks_are_left_out() -> None:
    specked = np.asarray(page((60, 40, 120, 150))).copy()
    specked[100:102, 50:52] = 0
    assert ink_box(specked) == pytest.approx(ink_box(np.asarray(page((60, 40, 120, 150)))), abs=1)


def test_polarity_and_size_do_not_matter() -> None:
    dark = page((60, 40, 120, 40), (120, 40, 80, 150))
    patch = one_digit(np.asarray(dark))
    light = one_digit(255 - np.asarray(dark))
    large = one_digit(np.asarray(dark.resize((2400, 2400), Image.Resampling.BICUBIC)))
    assert np.abs(patch.astype(int) - light).mean() < 2
    assert np.abs(patch.astype(int) - large).mean() < 6
    rows = np.flatnonzero((patch > 127).any(1))
    assert rows[-1] - rows[0] + 1 == pytest.approx(20, abs=1)


def test_light_that_falls_off_is_no_ink() -> None:
    light = np.linspace(0.4, 1, 200)[None] * np.linspace(0.7, 1, 200)[:, None]
    lit = (np.asarray(page((60, 40, 120, 150))) * light).astype(np.uint8)
    assert ink_box(lit) == pytest.approx(ink_box(np.asarray(page((60, 40, 120, 150)))), abs=4)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_blank_page_is_told(level: int) -> None:
    with pytest.raises(ValueError, match="no ink was found on the picture; take one on which the writing stands out"):
        one_digit(np.full((60, 80), level, np.uint8))
