"""The convolutions that `CNN` and `TinyCNN` have in common."""

from __future__ import annotations

from torch import nn


def folded_stages(stages: list[list[int]], *, pool_last: bool) -> tuple[nn.Sequential, int]:
    """Images (B, 1, H, W) to maps (B, C, h, w), H and W even; returns the layers and C.

    `stages` lists the channels of every 3x3 convolution, stage by stage. The images are first folded, 2x2 pixels
    into 4 channels (PixelUnshuffle, Shi et al. 2016); each stage halves the resolution at its end, rounded up, the last
    one only with `pool_last`. Pooling comes before normalisation and activation: that and the folding keep the costly
    element-wise work off the large maps.
    """
    layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
    width = 4
    for number, stage in enumerate(stages, 1):
        for i, width_out in enumerate(stage, 1):
            # the normalisation that follows has a shift of its own, so the convolution needs no bias
            layers.append(nn.Conv2d(width, width_out, 3, padding=1, bias=False))
            if i == len(stage) and (pool_last or number < len(stages)):
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [nn.BatchNorm2d(width_out), nn.ReLU()]
            width = width_out
    return nn.Sequential(*layers), width
