"""Augmentation by the batch, each image with parameters of its own."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RandomAffine(nn.Module):
    """Turn, scale, shear and move every image of a batch by its own random amounts.

    Parameters are drawn uniformly from ±`degrees` (rotation), 1±`scale`, ±`shear` (degrees) and
    ±`translate` (pixels, along each axis) from torch's global generator, so they follow from the seed of
    the step. Pixels are interpolated bilinearly; what comes in from outside is background, 0.
    """

    def __init__(self, degrees: float, translate: float, scale: float, shear: float) -> None:
        super().__init__()
        self.degrees, self.translate, self.scale, self.shear = degrees, translate, scale, shear

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        batch, _, _, width = images.shape

        def uniform(bound: float) -> Tensor:
            return (torch.rand(batch, device=images.device) * 2 - 1) * bound

        angle, shear = uniform(math.radians(self.degrees)), uniform(math.radians(self.shear))
        size = 1 + uniform(self.scale)
        cos, sin, tan = angle.cos() / size, angle.sin() / size, shear.tan()
        # grid_sample asks where each output pixel comes from: the inverse map, in units of half a picture
        rows = [
            torch.stack([cos, cos * tan - sin, uniform(2 * self.translate / width)], dim=1),
            torch.stack([sin, sin * tan + cos, uniform(2 * self.translate / width)], dim=1),
        ]
        grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)  # (B, H, W, 2)
        moved = F.grid_sample(images.float(), grid, align_corners=False)
        return moved.round_().to(torch.uint8)
