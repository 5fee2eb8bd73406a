"""A convolutional net of few parameters."""

from __future__ import annotations

from torch import Tensor, nn


class TinyCNN(nn.Module):
    """Stages of 3x3 convolutions, the resolution halved between them, then the mean of every map (Lin et al. 2014).

    `stages` lists the channels of every convolution, stage by stage. As in `CNN`, the pictures are first folded, 2x2
    pixels into 4 channels, and pooling comes before normalisation and activation; the mean leaves the last layer
    channels x classes weights and no more. The pictures' side must be even.
    """

    def __init__(self, num_classes: int, stages: list[list[int]]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        width = 4
        for number, stage in enumerate(stages, 1):
            for i, width_out in enumerate(stage):
                layers.append(nn.Conv2d(width, width_out, 3, padding=1, bias=False))
                if i == len(stage) - 1 and number < len(stages):
                    layers.append(nn.MaxPool2d(2, ceil_mode=True))
                layers += [nn.BatchNorm2d(width_out), nn.ReLU()]
                width = width_out
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        features: Tensor = self.features(images)  # (B, C, h, w)
        logits: Tensor = self.classify(features.mean(dim=(2, 3)))
        return logits
