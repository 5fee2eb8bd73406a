"""A convolutional net of few parameters."""

from __future__ import annotations

from torch import Tensor, nn

from digits.models.stages import folded_stages


class TinyCNN(nn.Module):
    """Stages of 3x3 convolutions, the resolution halved between them, then the mean of every map (Lin et al. 2014).

    `stages` lists the channels of every convolution, stage by stage. Thanks to the mean, the last layer has only
    channels x classes weights. The images' side must be even, since they are first folded (`folded_stages`).
    """

    def __init__(self, num_classes: int, stages: list[list[int]]) -> None:
        super().__init__()
        self.features, width = folded_stages(stages, pool_last=False)
        self.classify = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        features: Tensor = self.features(images)  # (B, C, h, w)
        logits: Tensor = self.classify(features.mean(dim=(2, 3)))
        return logits
