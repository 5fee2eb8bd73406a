"""Conversion of uint8 pixels to the normalised float32 input of a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """Converts uint8 0..255 to float32 of mean 0 and standard deviation 1 over the training set.

    All pixels before it are uint8, all after it are normalised.
    `mean` and `std` are those of the training pixels scaled to 0..1.
    """

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    @property
    def background(self) -> float:
        """The normalised value of the background, pixel 0."""
        return -self.mean / self.std

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, H, W) or (B, 1, H, W) to float32 (B, 1, H, W)."""
        if images.dtype != torch.uint8:
            raise ValueError(
                f"images must be uint8 0..255, but are {images.dtype}; scale them back, then .to(torch.uint8)"
            )
        if images.ndim == 3:
            images = images.unsqueeze(1)
        # one multiplication and one subtraction, in place: (x / 255 - mean) / std
        return images.to(torch.get_default_dtype()).mul_(1 / (255 * self.std)).sub_(self.mean / self.std)
