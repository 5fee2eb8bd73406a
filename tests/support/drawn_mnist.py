"""MNIST's files with a few drawn digits in them: tests that compose pages of them need no network and no minutes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from digits.data.datasets import read_dataset
from digits.data.synthetic.draw import draw_digits
from tests.support.mnist_files import NAMES, idx, resources_of

TRAIN, TEST = 600, 20


def write_files(root: Path) -> None:
    """The four files, in torchvision's layout."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images, labels = draw_digits(TRAIN + TEST, np.random.RandomState(3))
    small = labels.astype(np.uint8)
    for name, array in zip(NAMES, (images[:TRAIN], small[:TRAIN], images[TRAIN:], small[TRAIN:]), strict=True):
        (folder / name).write_bytes(idx(array))


def take_files(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Have them taken for MNIST's own in this process."""
    patch.setattr(datasets.MNIST, "resources", resources_of(root / "MNIST" / "raw"))
    patch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody answers there
    patch.setenv("DIGITS_DATA", str(root))
    read_dataset.cache_clear()
