"""A digit's ink brought to MNIST's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits.data.datasets import read_dataset
from digits.reading.patch import as_mnist


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
