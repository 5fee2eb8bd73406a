"""A small residual net."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class ResNet(nn.Module):
    """Stages of pre-activation residual blocks (He et al. 2016, arXiv 1603.05027), then a global average.

    The stem is one 3x3 convolution on 2x2 pixels folded into channels, as in `CNN`.
    """

    def __init__(self, num_classes: int, channels: list[int], blocks: int, dropout: float) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(4, channels[0], 3, padding=1, bias=False)]
        for i, (width_in, width_out) in enumerate(pairwise([channels[0], *channels])):
            stages.append(Block(width_in, width_out, stride=2 if i else 1))
            stages += [Block(width_out, width_out, stride=1) for _ in range(blocks - 1)]
        self.features = nn.Sequential(*stages, nn.BatchNorm2d(channels[-1]), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(channels[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        features: Tensor = self.features(images)  # (B, channels[-1], h, w)
        logits: Tensor = self.classify(self.dropout(features.mean(dim=(2, 3))))
        return logits


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.normalise = nn.Sequential(nn.BatchNorm2d(width_in), nn.ReLU())
        self.residual = nn.Sequential(
            nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width_out),
            nn.ReLU(),
            nn.Conv2d(width_out, width_out, 3, padding=1, bias=False),
        )
        same = width_in == width_out and stride == 1
        self.shortcut = None if same else nn.Conv2d(width_in, width_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, h, w) to (B, width_out, h / stride, w / stride)."""
        active = self.normalise(x)
        shortcut = x if self.shortcut is None else self.shortcut(active)
        return torch.add(shortcut, self.residual(active))
