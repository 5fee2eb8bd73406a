"""A convolutional net that is good on a laptop's CPU."""

from __future__ import annotations

from torch import Tensor, nn


class CNN(nn.Module):
    """Stages of 3x3 convolutions, each stage halving the resolution at its end, then one linear layer.

    `stages` lists the channels of every convolution, stage by stage: [[32], [64, 64]] for 28x28 pixels is one
    convolution at 14x14, two at 7x7, and 4x4 features of 64 channels. The pictures are first folded, 2x2 pixels into 4
    channels (PixelUnshuffle, Shi et al. 2016), and pooling comes before normalisation and activation: both keep the
    costly element-wise work off the large maps. `image_size` must be even.
    """

    def __init__(self, image_size: int, num_classes: int, stages: list[list[int]], dropout: float) -> None:
        super().__init__()
        if image_size % 2:
            raise ValueError(f"image_size is {image_size}; the net folds 2x2 pixels into one, so it must be even")
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        width, side = 4, image_size // 2
        for stage in stages:
            for i, width_out in enumerate(stage):
                layers.append(nn.Conv2d(width, width_out, 3, padding=1, bias=False))
                if i == len(stage) - 1:
                    layers.append(nn.MaxPool2d(2, ceil_mode=True))
                    side = (side + 1) // 2
                layers += [nn.BatchNorm2d(width_out), nn.ReLU()]
                width = width_out
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(width * side**2, num_classes)  # by this name, since `classify` took them rows first

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        features: Tensor = self.features(images)  # (B, C, h, w)
        # channels last, as they lie in memory with trainer.channels_last: flattened without a copy
        flat = features.permute(0, 2, 3, 1).flatten(1)  # (B, h * w * C)
        logits: Tensor = self.readout(self.dropout(flat))
        return logits
