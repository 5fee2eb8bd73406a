"""The corruption that keeps only the edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.data.corruptions.blur import gaussian_matrix

SIGMA = 1.0
LOW, HIGH = 0.1, 0.2
TIE = 1e-9  # heights that differ by less are equal, whatever the order in which a machine adds


def canny_edges(images: Tensor) -> Tensor:
    """Canny's edges, white on black (J. Canny: A computational approach to edge detection, 1986).

    A blur of sigma 1, its weights cut off at the edge; gradients by Sobel's operator, unscaled (a step from 0 to 1 has
    4); non-maximum suppression one pixel on and one back along the gradient; hysteresis, which keeps edges above 0.2
    and those above 0.1 that neighbours link to one. The outermost pixels are never edges. This follows scikit-image's
    description of its function, with its default values, which the authors used.
    """
    side = images.shape[-1]
    blur = gaussian_matrix(side, SIGMA, "cut")
    smooth = blur @ images @ blur.T
    nearest = torch.arange(-1, side + 1).clamp(0, side - 1)
    ahead, behind = (torch.eye(side, dtype=images.dtype)[nearest[start : start + side]] for start in (2, 0))
    difference, mean = ahead - behind, ahead + behind + 2 * torch.eye(side, dtype=images.dtype)
    down, right = difference @ smooth @ mean.T, mean @ smooth @ difference.T
    height = torch.hypot(down, right)
    ridge = _highest(height, down, right)
    weak, strong = ridge & (height >= LOW - TIE), ridge & (height >= HIGH - TIE)
    while True:
        grown = weak & (F.max_pool2d(strong.float(), 3, stride=1, padding=1) > 0)
        if torch.equal(grown, strong):
            return strong.to(images.dtype)
        strong = grown


def _highest(height: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Local maxima of the height along the gradient, bool (N, side, side); False on the outermost pixels.

    One pixel on, along the larger component, the direction passes between two pixels: the height there is
    interpolated between theirs.
    """
    number, side, _ = height.shape
    steep = down.abs() >= right.abs()
    slant = torch.minimum(down.abs(), right.abs()) / torch.maximum(down.abs(), right.abs()).clamp(min=1e-300)
    row, column = torch.where(down < 0, -side, side), torch.where(right < 0, -1, 1)
    straight, diagonal = torch.where(steep, row, column), row + column
    inner = torch.zeros(side, side, dtype=torch.bool)
    inner[1:-1, 1:-1] = True
    place = torch.arange(side * side)[inner.flatten()]  # (inner,)
    flat = height.flatten(1)

    def at(step: Tensor, sign: int) -> Tensor:
        return flat.gather(1, place + sign * step.flatten(1)[:, place])  # (N, inner)

    weight, here = slant.flatten(1)[:, place], flat[:, place]
    found = torch.ones_like(here, dtype=torch.bool)
    for sign in (1, -1):
        found &= weight * at(diagonal, sign) + (1 - weight) * at(straight, sign) <= here + TIE
    ridge = torch.zeros(number, side * side, dtype=torch.bool)
    ridge[:, place] = found
    return ridge.view(number, side, side)
