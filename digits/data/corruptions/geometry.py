"""Geometric corruptions: each image in a random direction, always by the same amount."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

SHEAR = 0.4
SHRINK = 0.7
TURN = 0.4
SHIFT = 3.0


def shear(images: Tensor, generator: Generator) -> Tensor:
    """Sheared to the left or to the right by 0.4 rad about the centre.

    The pixel at (x, y) from the centre takes the value at (x - y sin a, y cos a), a = ±0.4: as in the release of
    scikit-image that the authors' program used, which also makes the image 1 / cos a = 1.09 times as high.
    """
    angle = SHEAR * _signs(len(images), generator)
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    return _warp(images, (one, -angle.sin(), zero), (zero, angle.cos(), zero))


def scale(images: Tensor) -> Tensor:
    """Shrunk to 0.7 of its size about the centre; interpolated, not averaged, so thin strokes get ragged."""
    each = torch.full((len(images),), 1 / SHRINK, dtype=images.dtype)
    zero = torch.zeros_like(each)
    return _warp(images, (each, zero, zero), (zero, each, zero))


def rotate(images: Tensor, generator: Generator) -> Tensor:
    """Rotated by 0.4 rad (22.9 degrees) about the centre, in either direction."""
    angle = TURN * _signs(len(images), generator)
    zero = torch.zeros_like(angle)
    return _warp(images, (angle.cos(), -angle.sin(), zero), (angle.sin(), angle.cos(), zero))


def translate(images: Tensor, generator: Generator) -> Tensor:
    """Moved by 3 pixels along both axes: towards one of the four corners."""
    right, down = (SHIFT * _signs(len(images), generator) for _ in range(2))
    one, zero = torch.ones_like(right), torch.zeros_like(right)
    return _warp(images, (one, zero, right), (zero, one, down))


def _signs(number: int, generator: Generator) -> Tensor:
    """-1 or 1 with equal probability, float64 (number,)."""
    return torch.randint(2, (number,), generator=generator).to(torch.float64) * 2 - 1


def _warp(images: Tensor, x: tuple[Tensor, Tensor, Tensor], y: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Images resampled bilinearly, black outside: the source of pixel (x, y) is a x + b y + c for each (a, b, c).

    Coordinates are pixels from the centre, x to the right and y down; a, b and c are (N,), one for each image.
    """
    half = images.shape[-1] / 2  # grids are in units of half an image
    rows = [torch.stack([a, b, c / half], dim=1) for a, b, c in (x, y)]
    grid = F.affine_grid(torch.stack(rows, dim=1), [len(images), 1, *images.shape[1:]], align_corners=False)
    return F.grid_sample(images.unsqueeze(1), grid, align_corners=False).squeeze(1)
