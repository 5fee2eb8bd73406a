"""Pictures of single digits brought to the form that MNIST's have."""

from __future__ import annotations

import torch
from torch import Tensor

BOX, SIDE = 20, 28


def as_mnist(images: Tensor) -> Tensor:
    """White digits on black, uint8 (N, H, W), to uint8 (N, 28, 28) as LeCun et al. (1998) made MNIST.

    The part that has ink is scaled so that its longer side is 20 pixels, every new pixel the mean over the area that
    it covers, and placed so that the centre of mass, to the nearest pixel, is pixel (14, 14): in MNIST itself it lies
    there to within half a pixel. Raises ValueError when a picture has no ink.
    """
    made = torch.zeros(len(images), SIDE, SIDE, dtype=torch.uint8)
    for number, (image, place) in enumerate(zip(images, made, strict=True)):
        rows, columns = (torch.nonzero(image.any(dim)).flatten().tolist() for dim in (1, 0))
        if not rows:
            raise ValueError(f"picture {number} is black; leave out those without a digit")
        ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].to(torch.float64)
        high, wide = (max(1, round(length * BOX / max(ink.shape))) for length in ink.shape)
        scaled = _area_weights(ink.shape[0], high) @ ink @ _area_weights(ink.shape[1], wide).T  # (high, wide)
        top, left = _start(scaled.sum(1)), _start(scaled.sum(0))
        place[top : top + high, left : left + wide] = scaled.round().to(torch.uint8)
    return made


def _area_weights(old: int, new: int) -> Tensor:
    """How much of each new pixel is of each old one, when `old` pixels in a row become `new`: (new, old)."""
    edges = torch.arange(new + 1, dtype=torch.float64) * old / new
    pixels = torch.arange(old, dtype=torch.float64)
    first = torch.maximum(edges[:-1, None], pixels)
    last = torch.minimum(edges[1:, None], pixels + 1)
    return (last - first).clamp(min=0) * new / old


def _start(profile: Tensor) -> int:
    """Where a digit begins along an axis, for its centre of mass to lie on pixel 14; it stays inside the picture."""
    centre = (profile * torch.arange(len(profile), dtype=profile.dtype)).sum() / profile.sum()
    return int(min(max(SIDE // 2 - round(centre.item()), 0), SIDE - len(profile)))
