"""Corruptions of single pixels."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

PHOTONS = 3.0
IMPULSES = 0.17
LIFT = 0.5


def shot_noise(images: Tensor, generator: Generator) -> Tensor:
    """Few photons: a level x becomes Poisson(3x) / 3, cut at 1; the background stays black."""
    return torch.poisson(images * PHOTONS, generator=generator) / PHOTONS


def impulse_noise(images: Tensor, generator: Generator) -> Tensor:
    """Salt and pepper: 17 % of the pixels are replaced, by white or by black with equal probability."""
    drawn = torch.rand(images.shape, generator=generator, dtype=images.dtype)
    peppered = torch.where(drawn < IMPULSES, 0.0, images)
    return torch.where(drawn < IMPULSES / 2, 1.0, peppered)


def brightness(images: Tensor) -> Tensor:
    """Every level raised by 0.5 and cut at 1: ink and its soft edges turn white, the background grey."""
    return images + LIFT
