"""Corruptions that overlay something on the image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from digits.data.corruptions.blur import gaussian_blur

STRIPE = 7
FOG = 3.0
FOG_DECAY = 1.4
MUD = 63 / 255
PEN = 2.3


def stripe(images: Tensor) -> Tensor:
    """Seven columns at the left and seven at the right, inverted."""
    striped = images.clone()
    for columns in (slice(None, STRIPE), slice(-STRIPE, None)):
        striped[:, :, columns] = 1 - images[:, :, columns]
    return striped


def fog(images: Tensor, generator: Generator) -> Tensor:
    """A cloud c, 0..1, added three times over, and the sum scaled back: (x + 3 c) p / (p + 3), p the largest x.

    The cloud is the corner of a plasma fractal of 256x256 pixels, scaled to 0..1 (A. Fournier, D. Fussell,
    L. Carpenter: Computer rendering of stochastic models, 1982). Here the lowest and the highest point, by which it
    is scaled, are looked for among every fourth pixel of every fourth row.
    """
    cloud = torch.zeros(len(images), 1, 1, dtype=images.dtype)
    for level in range(6):  # 1x1 to 64x64
        cloud = _refined(cloud, level, generator)
    lowest, highest = cloud.amin((1, 2), keepdim=True), cloud.amax((1, 2), keepdim=True)
    corner = cloud.roll((2, 2), (1, 2))[:, :12, :12]  # with a margin, since values across its own edge are wrong
    for level in (6, 7):
        corner = _refined(corner, level, generator)
    corner = corner[:, 8:36, 8:36]
    peak = images.amax((1, 2), keepdim=True)
    return (images + FOG * (corner - lowest) / (highest - lowest)) * peak / (peak + FOG)


def _refined(field: Tensor, level: int, generator: Generator) -> Tensor:
    """A field (N, s, s) on a torus with twice as many points along each axis: one step of diamond and square.

    A new point is the mean of its four neighbours and a uniform draw from ±(1 / 1.4**level)**2: the authors' program
    multiplies by the width of the draw twice.
    """
    number, side, _ = field.shape
    amplitude = FOG_DECAY ** (-2 * level)

    def wobbling(four: Tensor) -> Tensor:
        drawn = torch.rand(field.shape, generator=generator, dtype=field.dtype)
        return four / 4 + amplitude * (2 * drawn - 1)

    pairs = field + field.roll(-1, 1)
    middles = wobbling(pairs + pairs.roll(-1, 2))
    fine = torch.empty(number, 2 * side, 2 * side, dtype=field.dtype)
    fine[:, ::2, ::2] = field
    fine[:, 1::2, 1::2] = middles
    fine[:, ::2, 1::2] = wobbling(field + field.roll(-1, 2) + middles + middles.roll(1, 1))
    fine[:, 1::2, ::2] = wobbling(pairs + middles + middles.roll(1, 2))
    return fine


def spatter(images: Tensor, generator: Generator) -> Tensor:
    """Blots of mud of level 0.25 over ink and background alike.

    Normal noise of mean 0.65 and deviation 0.3, blurred with sigma 1, is thresholded at 0.65; that mask, blurred with
    sigma 1.5, is the opacity of the mud, set to zero below 0.8.
    """
    noise = 0.65 + 0.3 * torch.randn(images.shape, generator=generator, dtype=images.dtype)
    wet = (gaussian_blur(noise, 1.0) > 0.65).to(images.dtype)
    cover = gaussian_blur(wet, 1.5)
    cover = torch.where(cover < 0.8, 0.0, cover)
    return images * (1 - cover) + MUD * cover


def dotted_line(images: Tensor, generator: Generator) -> Tensor:
    """A straight line across the whole picture, two columns drawn and two left out; its ends lie on rows 0..26."""
    number = len(images)
    start, end = torch.randint(27, (2, number), generator=generator).to(images.dtype)
    line = _stroke(torch.zeros_like(start), start, torch.full_like(start, 27.0), end)
    drawn = torch.arange(images.shape[-1]) // 2 % 2 == 1
    return images + line * drawn


def zigzag(images: Tensor, generator: Generator) -> Tensor:
    """A zigzag from column 2 to column 25 about a line that starts on row 0..26 and ends -5..4 rows below.

    Along that line its corners are 2 pixels from the start and 4 from one another, and 2 pixels off it to either side.
    """
    number, corners = len(images), 6
    start = torch.randint(27, (number,), generator=generator).to(images.dtype)
    fall = torch.randint(-5, 5, (number,), generator=generator).to(images.dtype)
    angle, length = torch.atan2(fall, torch.full_like(fall, 23.0)), torch.hypot(fall, torch.full_like(fall, 23.0))
    along = torch.tensor([0.0, *(2.0 + 4 * corner for corner in range(corners))], dtype=images.dtype)
    aside = torch.tensor([0.0, *(2.0 * (-1) ** corner for corner in range(corners))], dtype=images.dtype)
    # the end is 23 to 23.6 pixels from the start, so there are always six corners, and a short last segment
    along = torch.cat([along.expand(number, -1), length.unsqueeze(1)], dim=1)  # (N, 8)
    aside = torch.cat([aside.expand(number, -1), (-1 / (length - 20)).unsqueeze(1)], dim=1)
    columns = 2 + along * angle.cos().unsqueeze(1) - aside * angle.sin().unsqueeze(1)
    rows = start.unsqueeze(1) + along * angle.sin().unsqueeze(1) + aside * angle.cos().unsqueeze(1)
    for end in range(1, corners + 2):
        stroke = _stroke(columns[:, end - 1], rows[:, end - 1], columns[:, end], rows[:, end])
        images = (images + stroke).clamp(max=1)
    return images


def _stroke(left: Tensor, start: Tensor, right: Tensor, end: Tensor, side: int = 28) -> Tensor:
    """Straight strokes from column `left`, row `start` to column `right`, row `end`, each (N,): levels (N, 28, 28).

    A pixel d rows above or below the line has the level 1 + log(1 - d / 2.3), which is 0 from 1.45 rows on. Only the
    columns from floor(left) to ceil(right) - 1 are drawn.
    """
    line = torch.arange(side, dtype=left.dtype)
    slope = ((end - start) / (right - left)).unsqueeze(1)
    height = start.unsqueeze(1) + slope * (line - left.unsqueeze(1))  # (N, columns)
    distance = (line.view(1, -1, 1) - height.unsqueeze(1)).abs()  # (N, rows, columns)
    level = (1 + torch.log1p(-distance.clamp(max=2) / PEN)).clamp(min=0)
    inside = (line >= left.floor().unsqueeze(1)) & (line < right.ceil().unsqueeze(1))
    return level * inside.unsqueeze(1)
