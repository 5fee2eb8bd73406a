"""MNIST-C's corruptions: what all have in common, and those of single pixels and of places, against formulas."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from digits.data import corrupt
from digits.data.corruptions import CHUNK, KINDS
from digits.data.datasets import read_dataset
from tests.support.pictures import digits, even, levels

# ---- All kinds ------------------------------------------------------------------------------------


def test_the_kinds_are_those_of_the_paper() -> None:
    assert KINDS == (
        "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate", "brightness",
        "translate", "stripe", "fog", "spatter", "dotted_line", "zigzag", "canny_edges",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_call_gives_the_same_bytes_and_changes_every_picture(kind: str) -> None:
    images = digits()
    before = images.clone()
    torch.manual_seed(1)
    first = corrupt(images, kind, 3)
    torch.manual_seed(2)
    assert torch.equal(corrupt(images, kind, 3), first)
    assert torch.equal(images, before)
    assert (first.dtype, first.shape) == (torch.uint8, images.shape)
    assert bool((first != images).flatten(1).any(1).all())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"scale", "brightness", "stripe", "canny_edges"}))
def test_the_seed_and_the_picture_decide_what_is_drawn(kind: str) -> None:
    images = digits(1).repeat(24, 1, 1)
    first = corrupt(images, kind, 0)
    assert not torch.equal(corrupt(images, kind, 1), first)
    assert len({image.numpy().tobytes() for image in first}) > 1


def test_pictures_far_apart_get_other_draws() -> None:
    found = corrupt(even(100, CHUNK + 1), "impulse_noise", 0)
    assert len({image.numpy().tobytes() for image in found}) == CHUNK + 1


def test_what_cannot_be_corrupted_is_said() -> None:
    with pytest.raises(
        ValueError, match=r"there is no corruption 'identity'; choose one of shot_noise, .*, canny_edges"
    ):
        corrupt(digits(), "identity", 0)
    with pytest.raises(ValueError, match=r"uint8 images \(N, 28, 28\), but these are torch.uint8 \(3, 8, 8\)"):
        corrupt(torch.zeros(3, 8, 8, dtype=torch.uint8), "fog", 0)
    with pytest.raises(ValueError, match=r"these are torch.float32 \(1, 28, 28\); bring them to that size and 0..255"):
        corrupt(torch.zeros(1, 28, 28), "fog", 0)


CHANGE = {
    "shot_noise": 11.5, "impulse_noise": 21.7, "glass_blur": 20.1, "motion_blur": 25.4, "shear": 28.6,
    "scale": 29.0, "rotate": 29.3, "brightness": 114.5, "translate": 48.1, "stripe": 126.0, "fog": 91.2,
    "spatter": 8.8, "dotted_line": 6.0, "zigzag": 12.0, "canny_edges": 41.9,
}  # fmt: skip
"""Mean absolute change of a pixel over MNIST's 10,000 test images; black pictures would be 33.8 away."""


@pytest.mark.parametrize("kind", KINDS)
def test_how_much_mnist_is_changed(mnist_root: Path, kind: str) -> None:
    images = torch.from_numpy(read_dataset("mnist", str(mnist_root), None).test_images[:1000])
    change = (levels(corrupt(images, kind, 0)) - levels(images)).__abs__().mean()
    assert change == pytest.approx(CHANGE[kind], rel=0.12)


# ---- Pixel by pixel -------------------------------------------------------------------------------


def test_shot_noise_counts_photons() -> None:
    found = corrupt(even(102, 200), "shot_noise", 0)
    assert np.unique(found).tolist() == [0, 85, 170, 255]
    photons = 3 * 102 / 255
    shares = [stats.poisson.pmf(n, photons) for n in (0, 1, 2)]
    for level, share in zip((0, 85, 170, 255), [*shares, 1 - sum(shares)], strict=True):
        assert (found == level).double().mean() == pytest.approx(share, abs=5 * math.sqrt(0.25 / found.numel()))
    assert corrupt(even(0), "shot_noise", 0).max() == 0


def test_impulse_noise_replaces_17_percent() -> None:
    found = corrupt(even(100, 200), "impulse_noise", 0)
    assert np.unique(found).tolist() == [0, 100, 255]
    for level, share in ((0, 0.085), (255, 0.085)):
        assert (found == level).double().mean() == pytest.approx(share, abs=5 * math.sqrt(0.08 / found.numel()))


def test_brightness_lifts_by_half_of_white() -> None:
    expected = np.minimum(levels(digits()) + 127.5, 255)
    assert np.abs(levels(corrupt(digits(), "brightness", 0)) - expected).max() <= 0.5


def test_stripe_inverts_seven_columns_at_either_side() -> None:
    images = digits()
    found = corrupt(images, "stripe", 0)
    assert torch.equal(found[:, :, 7:21], images[:, :, 7:21])
    for columns in (slice(0, 7), slice(21, 28)):
        assert torch.equal(found[:, :, columns], 255 - images[:, :, columns])


# ---- Moved ----------------------------------------------------------------------------------------

SIN, COS = math.sin(0.4), math.cos(0.4)
Map = tuple[list[list[float]], tuple[int, int]]
"""Where (row, column) from the centre is taken from, and then how far from there."""
MAPS: dict[str, list[Map]] = {
    "shear": [([[COS, 0], [-sign * SIN, 1]], (0, 0)) for sign in (1, -1)],
    "scale": [([[1 / 0.7, 0], [0, 1 / 0.7]], (0, 0))],
    "rotate": [([[COS, sign * SIN], [-sign * SIN, COS]], (0, 0)) for sign in (1, -1)],
    "translate": [([[1, 0], [0, 1]], (down, right)) for down in (3, -3) for right in (3, -3)],
}


@pytest.mark.parametrize("kind", MAPS)
def test_moved_pictures_are_scipys_one_way_or_the_other(kind: str) -> None:
    images, seen = digits(64), []
    for image, found in zip(levels(images), levels(corrupt(images, kind, 0)), strict=True):
        ways = [
            ndimage.affine_transform(
                image, np.array(matrix), 13.5 - np.array(matrix) @ [13.5, 13.5] + shift, order=1, mode="grid-constant"
            )
            for matrix, shift in MAPS[kind]
        ]
        matching = [number for number, way in enumerate(ways) if np.abs(way - found).max() <= 0.51]
        assert len(matching) == 1
        seen += matching
    shares = np.bincount(seen, minlength=len(MAPS[kind])) / 64
    assert shares.min() > 0.4 * shares.max()


def test_shear_leans_and_rotate_turns() -> None:
    """A vertical bar: sheared its ends part sideways, turned they do too, but only then does it get shorter."""
    bar = even(0, 8)
    bar[:, 6:22, 13:15] = 255
    for kind, length in (("shear", 16 / COS), ("rotate", 16 * COS)):
        for found in levels(corrupt(bar, kind, 0)):
            rows = np.flatnonzero(found.max(1) > 127)
            assert len(rows) == pytest.approx(length, abs=1.6)
            top, bottom = (found[row] @ np.arange(28) / found[row].sum() for row in (rows[1], rows[-2]))
            assert abs(top - bottom) == pytest.approx((rows[-2] - rows[1]) * math.tan(0.4), abs=0.8)
