"""MNIST-C's blurs, overlays and edges, each against a formula or a slow drawing of its own."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage, stats

from digits.data import corrupt
from tests.support.pictures import Picture, digits, dots, even, levels

# ---- Smeared --------------------------------------------------------------------------------------


def slow_glass(image: Picture, random: np.random.Generator) -> Picture:
    x = np.floor(ndimage.gaussian_filter1d(image, 0.7, axis=0, mode="nearest"))
    for _ in range(2):
        for row in range(27, 1, -1):
            for column in range(27, 1, -1):
                if random.random() < 0.5:
                    y, z = row - random.integers(2), column - random.integers(2)
                    x[row, column], x[y, z] = x[y, z], x[row, column]
    blurred: Picture = ndimage.gaussian_filter1d(x, 0.7, axis=0, mode="nearest")
    return blurred


def test_glass_blur_is_on_average_what_swapping_one_by_one_gives() -> None:
    number, image = 250, digits(3)[2]
    random = np.random.default_rng(0)
    slow = np.stack([slow_glass(levels(image), random) for _ in range(number)])
    fast = levels(corrupt(image.repeat(number, 1, 1), "glass_blur", 0))
    error = np.sqrt((slow.var(0) + fast.var(0)) / number)
    assert (np.abs(slow.mean(0) - fast.mean(0)) <= 5 * error + 0.5).all()
    assert fast.std(0).mean() == pytest.approx(slow.std(0).mean(), rel=0.05)


def test_motion_blur_draws_out_to_the_left_within_45_degrees() -> None:
    found = levels(corrupt(dots(300), "motion_blur", 0))
    weights = np.exp(-(np.arange(21) ** 2) / 18)
    weights /= weights.sum()
    assert (found[:, 14, 14] == round(255 * weights[0])).all()
    assert np.abs(found.sum((1, 2)) - 255).max() <= 6  # no ink is lost but by rounding
    rows, columns = np.mgrid[:28, :28] - 14
    reached = found.max(0) > 0
    assert (columns[reached] <= 0).all()
    assert (np.abs(rows[reached]) <= -columns[reached]).all()
    down, left = (-(found * axis).sum((1, 2)) / 255 for axis in (rows, columns))
    reach = float(weights @ np.arange(21))
    assert np.hypot(down, left) == pytest.approx(reach, abs=0.35)
    angles = np.degrees(np.arctan2(down, left))
    assert stats.kstest(angles, "uniform", (-45, 90)).pvalue > 1e-3


def test_motion_blur_repeats_the_outermost_pixels() -> None:
    assert torch.equal(corrupt(even(200, 20), "motion_blur", 0), even(200, 20))


# ---- Laid over ------------------------------------------------------------------------------------


def test_fog_lets_a_quarter_of_the_contrast_through() -> None:
    """Pictures with the same whitest pixel and the same seed have the same cloud."""
    some, others = digits(24), digits(48)[24:]
    some[:, 0, 0] = others[:, 0, 0] = 255
    through = levels(corrupt(some, "fog", 0)) - levels(corrupt(others, "fog", 0))
    assert np.abs(through - (levels(some) - levels(others)) / 4).max() <= 1


def test_clouds_are_smooth_grey_and_of_all_levels() -> None:
    cloud = (levels(corrupt(even(255, 1500), "fog", 0)) / 255 * 4 - 1) / 3
    assert cloud.min() > -0.02  # the extremes are looked for among some of the pixels
    assert cloud.max() < 1.02
    assert cloud.mean() == pytest.approx(0.5, abs=0.03)
    assert cloud.mean((1, 2)).std() > 0.08

    def roughness(step: int) -> float:
        """How far the middles of squares of a size are from the mean of their corners."""
        corners = cloud[:, : 3 * step : step, : 3 * step : step]
        means = (corners[:, :-1, :-1] + corners[:, :-1, 1:] + corners[:, 1:, :-1] + corners[:, 1:, 1:]) / 4
        middles = cloud[:, step // 2 : 2 * step : step, step // 2 : 2 * step : step]
        return float(np.sqrt(((middles - means) ** 2).mean()))

    # each halving divides the draws by 1.4 twice
    assert roughness(8) / roughness(4) == pytest.approx(1.96, rel=0.05)


def test_fog_over_nothing_is_nothing() -> None:
    assert corrupt(even(0), "fog", 0).max() == 0  # the original scales by the whitest pixel, too


def slow_mud(random: np.random.Generator) -> Picture:
    noise = ndimage.gaussian_filter(random.normal(0.65, 0.3, (28, 28)), 1, mode="nearest")
    cover: Picture = ndimage.gaussian_filter((noise > 0.65).astype(float), 1.5, mode="nearest")
    return np.where(cover < 0.8, 0, cover)


def test_spatter_covers_black_and_white_with_the_same_grey() -> None:
    black, white = (levels(corrupt(even(level, 300), "spatter", 0)) for level in (0, 255))
    cover = black / 63
    assert set(np.unique(black)) <= {0.0, *map(float, range(50, 64))}
    assert np.abs(white - (255 - 192 * cover)).max() <= 2.1  # both are rounded
    random = np.random.default_rng(0)
    slow = np.stack([slow_mud(random) for _ in range(300)])
    error = math.sqrt((slow.mean((1, 2)).var() + cover.mean((1, 2)).var()) / 300)
    assert cover.mean() == pytest.approx(slow.mean(), abs=5 * error)
    fringes, slow_fringes = (np.abs(np.diff(blots)).mean() / blots.mean() for blots in (cover, slow))
    assert fringes == pytest.approx(slow_fringes, rel=0.05)


def slow_stroke(onto: Picture, left: float, start: float, right: float, end: float) -> None:
    for column in range(math.floor(left), math.ceil(right)):
        height = start + (end - start) / (right - left) * (column - left)
        for row in range(28):
            if abs(row - height) < 2.3 * (1 - 1 / math.e):
                onto[row, column] = min(1, onto[row, column] + math.log(1 - abs(row - height) / 2.3) + 1)


def slow_line(start: int, end: int) -> Picture:
    picture = np.zeros((28, 28))
    slow_stroke(picture, 0, start, 27, end)
    for column in range(28):
        picture[:, column] *= column % 4 >= 2
    return picture * 255


def slow_zigzag(start: int, fall: int) -> Picture:
    picture, turn = np.zeros((28, 28)), math.atan(fall / 23)
    length = 23 / math.cos(turn)
    path = [(0.0, 0.0), (2, 2), (6, -2), (10, 2), (14, -2), (18, 2), (22, -2), (length, -2 / (2 * (length - 20)))]
    turned = [
        (2 + x * math.cos(turn) - y * math.sin(turn), start + x * math.sin(turn) + y * math.cos(turn)) for x, y in path
    ]
    for (left, top), (right, bottom) in pairwise(turned):
        slow_stroke(picture, left, top, right, bottom)
    return picture * 255


def test_dotted_lines_are_among_those_that_can_be_drawn() -> None:
    all_lines = np.stack([slow_line(start, end) for start in range(27) for end in range(27)])
    which = [np.abs(all_lines - found).max((1, 2)) for found in levels(corrupt(even(0, 60), "dotted_line", 0))]
    assert max(differences.min() for differences in which) <= 0.51
    ends = np.array([divmod(int(differences.argmin()), 27) for differences in which])
    assert (ends.min(0) < 4).all()
    assert (ends.max(0) > 22).all()


def test_zigzags_are_among_those_that_can_be_drawn() -> None:
    all_lines = np.stack([slow_zigzag(start, fall) for start in range(27) for fall in range(-5, 5)])
    which = [np.abs(all_lines - found).max((1, 2)) for found in levels(corrupt(even(0, 60), "zigzag", 0))]
    assert max(differences.min() for differences in which) <= 0.51
    drawn = np.array([divmod(int(differences.argmin()), 10) for differences in which])
    assert drawn[:, 0].min() < 4
    assert drawn[:, 0].max() > 22
    assert set(drawn[:, 1]) == set(range(10))


@pytest.mark.parametrize("kind", ["dotted_line", "zigzag"])
def test_lines_are_added_to_the_ink(kind: str) -> None:
    images = digits()
    line = levels(corrupt(torch.zeros_like(images), kind, 0))
    expected = np.minimum(levels(images) + line, 255)
    assert np.abs(levels(corrupt(images, kind, 0)) - expected).max() <= 1


# ---- Edges ----------------------------------------------------------------------------------------


def slow_canny(image: Picture) -> npt.NDArray[np.bool_]:
    inside = ndimage.gaussian_filter(np.ones_like(image), 1, mode="constant")
    smooth = ndimage.gaussian_filter(image / 255, 1, mode="constant") / inside
    down, right = ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)
    height = np.hypot(down, right)
    edges = np.zeros((28, 28), dtype=bool)
    for row in range(1, 27):
        for column in range(1, 27):
            y, x = down[row, column], right[row, column]
            if height[row, column] >= 0.1:
                step = np.array([y, x]) / max(abs(y), abs(x))  # to where it leaves the 3x3 around the pixel
                places = np.array([[row + step[0], row - step[0]], [column + step[1], column - step[1]]])
                edges[row, column] = (
                    ndimage.map_coordinates(height, places, order=1) <= height[row, column] + 1e-9
                ).all()
    parts, _ = ndimage.label(edges, np.ones((3, 3)))
    kept: npt.NDArray[np.bool_] = edges & np.isin(parts, np.unique(parts[edges & (height >= 0.2)]))
    return kept


def test_canny_edges_are_those_of_a_slow_search() -> None:
    images = torch.cat([digits(40), digits(20).roll(10, 2)])  # the last are cut by the edge of the picture
    found = corrupt(images, "canny_edges", 0)
    assert np.unique(found).tolist() == [0, 255]
    for edges, image in zip(found.numpy() > 0, levels(images), strict=True):
        assert (edges == slow_canny(image)).all()


def test_faint_edges_count_only_beside_strong_ones() -> None:
    """An edge between 0 and 14 levels, blurred, has a gradient of 0.14; between 0 and 41 it has 0.41."""
    alone, linked = even(0), even(0)
    alone[:, :, 14:] = 14
    linked[:, :, 14:] = (14 + torch.arange(28).to(torch.uint8)).view(28, 1)
    assert corrupt(alone, "canny_edges", 0).max() == 0
    assert (corrupt(linked, "canny_edges", 0)[0, 1:-1, 13:15] == 255).any(1).all()
