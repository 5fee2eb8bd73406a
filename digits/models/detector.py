"""A fully convolutional net that finds the digits on a picture of any size and classifies them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BOX, GATE = 4, 1  # channels beside the objectness and the classes: a box, and whether smaller digits are here
RARE = -4.0  # objectness to begin with: nearly every cell is empty (Lin et al. 2017, focal loss)


class Detector(nn.Module):
    """Predicts for each cell of 4x4 pixels whether a digit's centre lies there, its class and its box.

    `digits.reading.boxes` defines the output channels and turns them into boxes. `channels` are those at 1/2, 1/4, 1/8
    and 1/16 of the resolution, `head` those of the output layers, `blocks` the residual blocks at 1/16. Coarse features
    are upsampled and added to finer ones (feature pyramid, Lin et al. 2017), so that a cell knows its surroundings.
    """

    def __init__(self, num_classes: int, channels: list[int], head: int, blocks: int) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.num_classes = num_classes
        self.contrast = LocalContrast()
        self.to_quarter = nn.Sequential(convolution(2, half, stride=2), convolution(half, quarter, stride=2))
        self.to_eighth = nn.Sequential(convolution(quarter, eighth, stride=2), Residual(eighth))
        self.to_sixteenth = nn.Sequential(
            convolution(eighth, sixteenth, stride=2), *(Residual(sixteenth) for _ in range(blocks))
        )
        self.from_sixteenth, self.at_eighth = linear(sixteenth, eighth), convolution(eighth, eighth)
        self.from_eighth, self.from_quarter = linear(eighth, head), linear(quarter, head)
        self.at_quarter = convolution(head, head)
        self.answer = nn.Conv2d(head, 1 + num_classes + BOX + GATE, 1)
        self.classify = nn.Conv2d(eighth, num_classes, 1)  # a class needs more context than a position
        nn.init.constant_(self.answer.bias[:1], RARE)  # type: ignore[index]  # there is a bias

    def forward(self, images: Tensor) -> Tensor:
        """Grey 0..1 (B, 1, H, W), H and W multiples of 16, to maps (B, 16, H / 4, W / 4) for ten classes."""
        quarter = self.to_quarter(self.contrast(images))  # (B, C, H/4, W/4)
        eighth = self.to_eighth(quarter)
        sixteenth = self.to_sixteenth(eighth)
        eighth = self.at_eighth(F.relu(eighth + enlarged(self.from_sixteenth(sixteenth))))
        head = self.at_quarter(F.relu(self.from_quarter(quarter) + enlarged(self.from_eighth(eighth))))
        classes = F.interpolate(self.classify(eighth), scale_factor=2.0, mode="bilinear", align_corners=False)
        objectness, logits, rest = self.answer(head).split([1, self.num_classes, BOX + GATE], dim=1)
        return torch.cat([objectness, logits + classes, rest], dim=1)


class LocalContrast(nn.Module):
    """The distance of a pixel from the mean of its surroundings: in their standard deviations, and in grey levels.

    The first makes pencil look like ink, whatever the light; the second keeps the grain of empty paper from doing so.
    The surroundings are a square of 36 pixels; their mean and deviation are those of cells of 4x4 pixels, enlarged.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Grey 0..1 (B, 1, H, W) to (B, 2, H, W)."""
        grey = images.float()  # the variance is the difference of two nearly equal numbers
        mean = surroundings(F.avg_pool2d(grey, 4))
        square = surroundings(F.avg_pool2d(grey * grey, 4))
        deviation = (square - mean * mean).clamp(min=0).sqrt() + 6 / 255  # an even surface has noise, too
        mean, deviation = (
            F.interpolate(x, scale_factor=4.0, mode="bilinear", align_corners=False) for x in (mean, deviation)
        )
        difference = grey - mean
        return torch.cat([difference / deviation, 4 * difference], dim=1).to(images.dtype)


def surroundings(cells: Tensor) -> Tensor:
    """The mean over those of 9x9 cells that are on the picture."""
    return F.avg_pool2d(cells, 9, stride=1, padding=4, count_include_pad=False)


class Residual(nn.Module):
    """Two convolutions with a skip connection (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = convolution(channels, channels), linear(channels, channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return F.relu(features + self.second(self.first(features)))


def convolution(width: int, width_out: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch normalisation and ReLU."""
    return nn.Sequential(*linear(width, width_out, 3, stride), nn.ReLU(inplace=True))


def linear(width: int, width_out: int, size: int = 1, stride: int = 1) -> nn.Sequential:
    """A convolution and batch normalisation, without activation."""
    layer = nn.Conv2d(width, width_out, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(width_out))


def enlarged(features: Tensor) -> Tensor:
    """Upsample (B, C, H, W) to (B, C, 2H, 2W): each cell becomes four."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")
