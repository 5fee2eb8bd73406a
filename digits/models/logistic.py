"""Multinomial logistic regression on the pixels."""

from __future__ import annotations

from torch import Tensor, nn


class LogisticRegression(nn.Module):
    """One linear map from pixels to logits: the baseline for every other model."""

    def __init__(self, image_size: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(image_size**2, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        logits: Tensor = self.linear(images.flatten(1))
        return logits
