"""A convolutional net that is good on a laptop's CPU."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class CNN(nn.Module):
    """Stages of two 3x3 convolutions, each stage at half the resolution of the one before.

    The first stage begins by folding 2x2 pixels into 4 channels (PixelUnshuffle, Shi et al. 2016): no
    convolution ever runs at full resolution, where most of the time would go. Any image size that is a
    multiple of 2 will do.
    """

    def __init__(self, num_classes: int, channels: list[int], dropout: float) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.PixelUnshuffle(2)]
        for i, (width_in, width_out) in enumerate(pairwise([4, *channels])):
            if i:
                stages.append(nn.MaxPool2d(2, ceil_mode=True))
            stages += [*_convolution(width_in, width_out), *_convolution(width_out, width_out)]
        self.features = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(channels[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        features: Tensor = self.features(images)  # (B, channels[-1], h, w)
        logits: Tensor = self.classify(self.dropout(features.amax(dim=(2, 3))))
        return logits


def _convolution(width_in: int, width_out: int) -> list[nn.Module]:
    return [nn.Conv2d(width_in, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()]
