"""The levels of a picture: how large they are, and where things are on them; digits are found at each."""

from __future__ import annotations

import numpy as np
import pytest

from digits.reading.detect import PADDING, border_level, levels, longest_sides


@pytest.mark.parametrize(
    ("side", "sides"),
    [
        (8, [64, 32]),
        (28, [64, 32]),
        (45, [64, 32]),
        (46, [128, 64, 32]),
        (300, [512, 256, 128, 64, 32]),
        (512, [512, 256, 128, 64, 32]),
        (513, [1024, 512, 256, 128, 64, 32]),
        (5000, [1024, 512, 256, 128, 64, 32]),
    ],
)
def test_small_pictures_are_enlarged_and_large_ones_reduced_by_factors_of_two(side: int, sides: list[int]) -> None:
    assert longest_sides(side) == sides


@pytest.mark.parametrize("longest", [1024, 640])
@pytest.mark.parametrize("side", range(20, 1300, 17))
def test_a_picture_enlarged_twice_has_the_same_levels_and_maybe_a_finer_one(side: int, longest: int) -> None:
    once, twice = longest_sides(side, longest), longest_sides(2 * side, longest)
    assert twice[-len(once) :] == once
    assert len(twice) - len(once) in (0, 1)
    assert once[-1] <= 36  # a digit that fills the picture is in the range of the coarsest level
    assert once[0] >= min(side, longest)


@pytest.mark.parametrize("shape", [(28, 28), (333, 517), (40, 900), (1500, 1100)])
def test_levels_go_from_coarse_to_fine_and_the_net_can_take_them(shape: tuple[int, int]) -> None:
    pyramid = list(levels(np.full(shape, 200, np.uint8)))
    assert [level.longest for level in pyramid] == sorted({level.longest for level in pyramid})
    for level in pyramid:
        assert level.image.dtype == np.float32
        assert level.image.shape[:2] == (1, 1)
        assert all(side % 16 == 0 for side in level.image.shape[2:])
        np.testing.assert_allclose(level.image, 200 / 255, rtol=1e-6)
        for side, scale, pixels in zip(shape, level.scale[::-1], level.image.shape[2:], strict=True):
            assert side * scale == pytest.approx(round(side * scale))  # the exact scale, not the one aimed at
            assert 0 <= pixels - 2 * PADDING - side * scale < 16


def test_levels_of_a_strip_are_high_enough_for_digits() -> None:
    heights = [round(40 * level.scale[1]) for level in levels(np.zeros((40, 900), np.uint8))]
    assert heights == [23, 46]


def test_a_one_may_fill_a_narrow_picture() -> None:
    """However narrow it is: it is as large as it is high."""
    shapes = [level.image.shape[2] - 2 * PADDING for level in levels(np.zeros((250, 36), np.uint8))]
    assert shapes[0] == 32
    assert len(shapes) == len(list(levels(np.zeros((250, 250), np.uint8))))


@pytest.mark.parametrize("times", [1, 3])
def test_a_place_of_the_picture_is_where_the_scale_says(times: int) -> None:
    grey = np.full((161 * times, 237 * times), 255, np.uint8)
    grey[40 * times : 80 * times, 60 * times : 150 * times] = 0
    for level in levels(grey):
        across, down = (scale * times for scale in level.scale)
        ink = 1 - level.image[0, 0]
        rows, columns = ink.sum(1), ink.sum(0)
        assert (rows @ (np.arange(len(rows)) + 0.5)) / rows.sum() == pytest.approx(60 * down + PADDING, abs=0.1)
        assert (columns @ (np.arange(len(columns)) + 0.5)) / columns.sum() == pytest.approx(
            105 * across + PADDING, abs=0.1
        )
        assert ink.sum() == pytest.approx(40 * 90 * across * down, rel=0.03)


def test_what_lies_around_is_the_median_of_the_edge() -> None:
    grey = np.full((50, 80), 30, np.uint8)
    grey[10:40, 10:70] = 220
    grey[0, :20] = 255
    assert border_level(grey) == 30
    image = next(levels(grey)).image[0, 0]
    assert image[:PADDING] == pytest.approx(30 / 255)
    assert image[:, :PADDING] == pytest.approx(30 / 255)


@pytest.mark.parametrize(
    "picture", [np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5), np.float32), np.zeros((0, 5), np.uint8)]
)
def test_what_is_no_grey_picture_is_refused(picture: np.typing.NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        next(levels(picture))
