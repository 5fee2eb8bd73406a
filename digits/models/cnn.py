"""A convolutional net for a laptop's CPU."""

from __future__ import annotations

from torch import Tensor, nn

from digits.models.stages import folded_stages


class CNN(nn.Module):
    """Stages of 3x3 convolutions, each stage halving the resolution at its end, then one linear layer.

    `stages` lists the channels of every convolution, stage by stage: [[32], [64, 64]] for 28x28 pixels is one
    convolution at 14x14, two at 7x7, and 4x4 features of 64 channels. `image_size` must be even, since the images are
    first folded (`folded_stages`).
    """

    def __init__(self, image_size: int, num_classes: int, stages: list[list[int]], dropout: float) -> None:
        super().__init__()
        if image_size % 2:
            raise ValueError(f"image_size is {image_size}; the net folds 2x2 pixels into one, so it must be even")
        self.features, width = folded_stages(stages, pool_last=True)
        side = image_size // 2
        for _ in filter(None, stages):
            side = (side + 1) // 2
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(width * side**2, num_classes)  # older nets' `classify` took rows first

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        features: Tensor = self.features(images)  # (B, C, h, w)
        # channels last, as they lie in memory with trainer.channels_last: flattened without a copy
        flat = features.permute(0, 2, 3, 1).flatten(1)  # (B, h * w * C)
        logits: Tensor = self.readout(self.dropout(flat))
        return logits
