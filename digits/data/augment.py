"""Augmentation by the batch; every image gets its own parameters, drawn from torch's global generator.

The draws are thus a function of the step's seed. Images are uint8 (B, 1, H, W), background 0, before and after.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RandomAffine(nn.Module):
    """Rotate, scale, shear and shift every image of a batch by its own random amounts.

    Parameters are drawn uniformly from ±`degrees` (rotation), 1±`scale`, ±`shear` (degrees) and ±`translate` (pixels,
    along each axis). Pixels are interpolated bilinearly; those from outside the image are background, 0.
    """

    def __init__(self, degrees: float, translate: float, scale: float, shear: float) -> None:
        super().__init__()
        self.degrees, self.translate, self.scale, self.shear = degrees, translate, scale, shear

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        return resample(images, self.grid(images))

    def grid(self, images: Tensor) -> Tensor:
        """Source of each output pixel, (B, H, W, 2): x, y from -1 to 1 across the image."""
        width = images.shape[-1]
        angle, shear = (uniform(images, math.radians(bound)) for bound in (self.degrees, self.shear))
        size = 1 + uniform(images, self.scale)
        cos, sin, tan = angle.cos() / size, angle.sin() / size, shear.tan()
        # grid_sample takes the source of each output pixel: the inverse map, in units of half an image
        rows = [
            torch.stack([cos, cos * tan - sin, uniform(images, 2 * self.translate / width)], dim=1),
            torch.stack([sin, sin * tan + cos, uniform(images, 2 * self.translate / width)], dim=1),
        ]
        return F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)


class RandomWarp(nn.Module):
    """`RandomAffine` and an elastic distortion (Simard, Steinkraus, Platt 2003) in one interpolation.

    Every pixel is displaced by a random field: noise smoothed by a Gaussian of standard deviation `smoothness` pixels,
    so that neighbouring pixels move alike. The root mean square of the displacement, in pixels along each axis, is
    drawn per image from 0 to `elastic`. (Simard's alpha 34 and sigma 4 are the strongest case of `elastic=1.4
    smoothness=4`.)
    """

    def __init__(
        self, degrees: float, translate: float, scale: float, shear: float, elastic: float, smoothness: float
    ) -> None:
        super().__init__()
        self.affine = RandomAffine(degrees, translate, scale, shear)
        self.elastic, self.smoothness = elastic, smoothness

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        return resample(images, self.grid(images))

    def grid(self, images: Tensor) -> Tensor:
        """The affine grid, each point displaced by the random field."""
        batch, _, height, width = images.shape
        noise = (torch.rand(batch, 2, height, width, device=images.device) - 0.5) * math.sqrt(12)  # of variance 1
        field = smoother(height, self.smoothness, images) @ noise @ smoother(width, self.smoothness, images).T
        strength = torch.rand(batch, 1, 1, 1, device=images.device) * (2 * self.elastic / width)
        return self.affine.grid(images) + (field * strength).permute(0, 2, 3, 1)


class RandomStroke(nn.Module):
    """Make the strokes of every image thicker or thinner, by up to `width` of a pixel on each side.

    Each image is interpolated towards its grey-scale dilation (thicker) or erosion (thinner) over a pixel and its four
    neighbours.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        padded = F.pad(images, (1, 1, 1, 1))
        neighbours = (padded[..., 1:-1, 2:], padded[..., 1:-1, :-2], padded[..., 2:, 1:-1], padded[..., :-2, 1:-1])
        thick = thin = images
        for neighbour in neighbours:
            thick, thin = torch.maximum(thick, neighbour), torch.minimum(thin, neighbour)
        part = uniform(images, self.width).view(-1, 1, 1, 1)
        goal = torch.where(part > 0, thick, thin)
        return images.float().lerp(goal.float(), part.abs()).round_().to(torch.uint8)


class RandomErase(nn.Module):
    """Blank a rectangle at a random place of every image (Zhong et al. 2020), its sides up to `size` pixels each."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        _, _, height, width = images.shape
        erased = self._span(images, height).unsqueeze(2) & self._span(images, width).unsqueeze(1)  # (B, H, W)
        return images.masked_fill(erased.unsqueeze(1), 0)

    def _span(self, images: Tensor, length: int) -> Tensor:
        """Mask of the rows or columns, of `length`, that each image's rectangle covers, bool (B, length)."""
        half = torch.rand(len(images), 1, device=images.device) * (self.size / 2)
        centre = torch.rand(len(images), 1, device=images.device) * length
        return (torch.arange(length, device=images.device) + 0.5 - centre).abs() < half


class RandomStretch(nn.Module):
    """Make every image wider or narrower about its centre, by a factor from exp(-`width`) to exp(`width`)."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        length, factor = images.shape[-1], uniform(images, self.width).exp().view(-1, 1, 1)
        at = torch.arange(length, device=images.device) - (length - 1) / 2
        reach = (1 / factor).clamp(min=1)  # narrower: average the pixels that become one
        weights = (1 - (at.view(-1, 1) / factor - at).abs() / reach).clamp(min=0) / reach  # (B, W, W)
        return to_bytes(images[:, 0].float() @ weights.mT).unsqueeze(1)


class RandomBlur(nn.Module):
    """Blur every image with a Gaussian of standard deviation 0 to `sigma` pixels."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W), square, to uint8 of the same shape."""
        sigma = torch.rand(len(images), device=images.device).view(-1, 1, 1) * self.sigma
        at = torch.arange(images.shape[-1], device=images.device)
        squares = (at - at.unsqueeze(1)) ** 2 / (2 * sigma**2).clamp(min=1e-6)
        weights = torch.exp(-squares.clamp(max=30))  # smaller numbers would be denormal, and slow
        return both_ways(images, weights / weights.sum(dim=2, keepdim=True))


class RandomResolution(nn.Module):
    """Downsample every image to between `smallest` pixels and its full width, then upsample it again.

    Downsampling averages areas; upsampling is bilinear or in squares, at random.
    """

    def __init__(self, smallest: int) -> None:
        super().__init__()
        self.smallest = smallest

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W), square, to uint8 of the same shape."""
        side = images.shape[-1]
        sizes = range(self.smallest, side + 1)
        maps = torch.stack([resolution(side, size, smooth=smooth) for size in sizes for smooth in (False, True)])
        chosen = (torch.rand(len(images), device=images.device) * len(maps)).long()
        return both_ways(images, maps.to(images.device)[chosen])


class RandomTone(nn.Module):
    """Change every image's brightness, gamma and contrast.

    The brightest pixel becomes `dimmest` to 1 of white; gamma is exp(-`gamma`) to exp(`gamma`); contrast about a level
    of 0.25 to 0.5 becomes 1 to `steepest` times as steep, which turns soft edges into hard ones.
    """

    def __init__(self, dimmest: float, gamma: float, steepest: float) -> None:
        super().__init__()
        self.dimmest, self.gamma, self.steepest = dimmest, gamma, steepest

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        gamma = uniform(images, self.gamma).exp()
        slope, middle, level = torch.rand(3, len(images), device=images.device)
        slope, middle = self.steepest**slope, 0.25 + 0.25 * middle
        level = 255 * (self.dimmest + (1 - self.dimmest) * level)
        gamma, slope, middle, level = (each.view(-1, 1, 1, 1) for each in (gamma, slope, middle, level))
        brightest = images.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1)
        ink = (images / brightest) ** gamma
        return to_bytes(((ink - middle) * slope + middle).clamp(0, 1) * level)


class RandomNoise(nn.Module):
    """Add Gaussian noise to every pixel; its standard deviation is drawn per image from 0 to `sigma` of white."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1, H, W) to uint8 of the same shape."""
        sigma = torch.rand(len(images), 1, 1, 1, device=images.device) * (255 * self.sigma)
        return to_bytes(images + sigma * torch.randn(images.shape, device=images.device))


def to_bytes(images: Tensor) -> Tensor:
    """Round levels and clip them to 0..255, uint8."""
    return images.round().clamp(0, 255).to(torch.uint8)


def both_ways(images: Tensor, weights: Tensor) -> Tensor:
    """Images uint8 (B, 1, S, S), each mapped along both axes by its matrix (B, S, S)."""
    return to_bytes(weights @ images[:, 0].float() @ weights.mT).unsqueeze(1)


def uniform(images: Tensor, bound: float) -> Tensor:
    """One draw from -bound to bound for every image, (B,)."""
    return (torch.rand(len(images), device=images.device) * 2 - 1) * bound


def resample(images: Tensor, grid: Tensor) -> Tensor:
    """Sample images uint8 (B, 1, H, W) bilinearly at the points of a grid (B, H, W, 2); 0 outside."""
    return F.grid_sample(images.float(), grid, align_corners=False).round_().to(torch.uint8)


def smoother(length: int, sigma: float, images: Tensor) -> Tensor:
    """Matrix (length, length) that smooths noise with a Gaussian and keeps its variance, up to the border."""
    at = torch.arange(length, device=images.device)
    weights = torch.exp(-((at - at.unsqueeze(1)) ** 2) / (2 * sigma**2))
    return weights / weights.square().sum(dim=1, keepdim=True).sqrt()


def resolution(side: int, size: int, *, smooth: bool) -> Tensor:
    """Matrix (side, side) that downsamples to `size` pixels by averaging areas and upsamples again."""
    edges, pixels = torch.arange(size + 1) * (side / size), torch.arange(side)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    overlap = overlap.clamp(min=0)  # (size, side): of each new pixel with each old one
    at = (pixels[:, None] + 0.5) * (size / side) - 0.5
    weights = (1 - (at.clamp(0, size - 1) - torch.arange(size)).abs()).clamp(min=0) if smooth else overlap.T
    return weights @ (overlap * (size / side))
