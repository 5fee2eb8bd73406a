"""Blurring corruptions, and the Gaussian filter that other corruptions use too."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor

GLASS_SIGMA = 0.7
GLASS_ROUNDS = 2
MOTION_SIGMA = 3.0
MOTION_TAPS = 21
MOTION_ANGLE = 45.0


def gaussian_matrix(side: int, sigma: float, edge: Literal["nearest", "cut"]) -> Tensor:
    """A Gaussian filter along one axis as a matrix, float64 (side, side); weights end at four sigma.

    Beyond the edge the outermost pixel is repeated ("nearest"), or the weights are cut off and those inside
    renormalised to sum to one ("cut").
    """
    reach = int(4 * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = (-0.5 * (steps / sigma) ** 2).exp()
    matrix = torch.zeros(side, side, dtype=torch.float64)
    for step, weight in zip(range(-reach, reach + 1), weights.tolist(), strict=True):
        for row in range(side):
            if edge == "nearest" or 0 <= row + step < side:
                matrix[row, min(max(row + step, 0), side - 1)] += weight
    return matrix / matrix.sum(1, keepdim=True)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Images float64 (N, side, side) after an isotropic Gaussian blur, outermost pixels repeated beyond the edge."""
    matrix = gaussian_matrix(images.shape[-1], sigma, "nearest")
    return matrix @ images @ matrix.T


def glass_blur(images: Tensor, generator: Generator) -> Tensor:
    """Frosted glass: blurred, pixels swapped with near ones, blurred again.

    Both blurs have sigma 0.7 and act along the columns only, as in the authors' program, which passes the Gaussian
    filter an image without a channel axis but declares one. In two rounds, from the last pixel to the first, each
    pixel outside the two upper rows and the two left columns is swapped, with probability 1/2, with the one at
    (dy, dx) from it, both drawn from {-1, 0}.
    """
    number, side, _ = images.shape
    matrix = gaussian_matrix(side, GLASS_SIGMA, "nearest")
    pixels = ((matrix @ images) * 255).floor() / 255  # the authors' program converts to bytes here
    pixels = pixels.flatten(1).T.contiguous()  # (side * side, N)
    places = [row * side + column for row in range(side - 1, 1, -1) for column in range(side - 1, 1, -1)]
    moves = torch.tensor([0, 0, 0, 0, 0, -1, -side, -side - 1])
    for _ in range(GLASS_ROUNDS):
        drawn = torch.randint(8, (len(places), number), generator=generator)
        for place, move in zip(places, moves[drawn], strict=True):
            other = (place + move).unsqueeze(0)  # (1, N)
            former = pixels[place].clone()
            pixels[place] = pixels.gather(0, other)[0]
            pixels.scatter_(0, other, former.unsqueeze(0))
    return matrix @ pixels.T.reshape(images.shape)


def motion_blur(images: Tensor, generator: Generator) -> Tensor:
    """Motion blur: every pixel becomes a weighted mean of itself and the next 20 along a direction.

    The weights are one half of a Gaussian of sigma 3, the direction lies within 45 degrees of the rows, the pixels
    along it are the nearest to whole steps, and the outermost are repeated beyond the edge: ImageMagick's motion blur
    of radius 10 and sigma 3, without its rounding in between.
    """
    number, side, _ = images.shape
    angle = (torch.rand(number, generator=generator, dtype=images.dtype) * 2 - 1) * math.radians(MOTION_ANGLE)
    steps = torch.arange(MOTION_TAPS, dtype=images.dtype)
    weights = (-0.5 * (steps / MOTION_SIGMA) ** 2).exp()
    weights = weights / weights.sum()
    right = (steps * angle.cos().unsqueeze(1) - 0.5).ceil().long()  # (N, taps)
    down = (steps * angle.sin().unsqueeze(1) - 0.5).ceil().long()
    blurred, line = torch.zeros_like(images), torch.arange(side)
    each = torch.arange(number).view(-1, 1, 1)
    for tap, weight in enumerate(weights.tolist()):
        rows = (line + down[:, tap, None]).clamp(0, side - 1)  # (N, side)
        columns = (line + right[:, tap, None]).clamp(0, side - 1)
        blurred += weight * images[each, rows.unsqueeze(2), columns.unsqueeze(1)]
    return blurred
