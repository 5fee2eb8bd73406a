"""The constants in conf/data, recomputed from the pixels they describe."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from digits.data.datasets import Arrays, read_dataset
from digits.hydra_app.paths import conf_directory

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}


def arrays_at_hand(name: str, request: pytest.FixtureRequest) -> Arrays:
    if name == "mnist":
        request.getfixturevalue("mnist_root")  # left out where it isn't, but never in CI
    root = Path(os.environ.get("DIGITS_DATA", "data"))
    if name in FOLDERS and len(list((root / FOLDERS[name] / "raw").glob("*.gz"))) < 4:
        pytest.skip(f"left out: the constants of {name}, since its four files aren't in {root / FOLDERS[name]}/raw")
    return read_dataset(name, str(root), ())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist", "optdigits"])
def test_configured_mean_and_std_are_those_of_the_training_pixels(name: str, request: pytest.FixtureRequest) -> None:
    config = OmegaConf.load(Path(conf_directory(), "data", f"{name}.yaml"))
    images = arrays_at_hand(name, request).train_images
    # in parts, so that 47 million pixels don't become 376 MB; the sums are exact
    total = sum(int(part.sum(dtype=np.int64)) for part in np.array_split(images, 20))
    squares = sum(int((part.astype(np.int64) ** 2).sum()) for part in np.array_split(images, 20))
    mean = total / images.size / 255
    std = np.sqrt(squares / images.size / 255**2 - mean**2)
    assert (config.mean, config.std) == (round(mean, 4), round(float(std), 4))
