"""Small sets of pictures of 28x28 for the tests of what is done to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from torch import Tensor

Picture = npt.NDArray[np.float64]


def digits(n: int = 24) -> Tensor:
    """Real digits in the middle of 28x28, with soft edges and margins of two pixels."""
    small = torch.from_numpy(load_digits().images[:n]) * (255 / 16)
    large = torch.nn.functional.interpolate(small.unsqueeze(1), size=24, mode="bilinear").squeeze(1)
    return torch.nn.functional.pad(large, (2, 2, 2, 2)).round().to(torch.uint8)


def even(level: int, n: int = 1) -> Tensor:
    return torch.full((n, 28, 28), level, dtype=torch.uint8)


def dots(n: int) -> Tensor:
    images = even(0, n)
    images[:, 14, 14] = 255
    return images


def levels(images: Tensor) -> Picture:
    found: Picture = images.numpy().astype(np.float64)
    return found
