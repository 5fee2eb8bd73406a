"""A page detector run on a picture at several scales (levels), each a factor of two finer.

The longest sides are `longest`, half of it, a quarter, … whatever the picture's own, so that a picture and the same one
enlarged are treated alike. Levels run from coarse to fine; a finer one only as long as, and only where, the net reports
smaller digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.boxes import (
    LARGEST,
    SMALLER,
    SMALLEST,
    STRIDE,
    THRESHOLD,
    Floats,
    Found,
    decode,
    joined,
    suppress,
)  # fmt: skip
from digits.reading.linking import text_lines

Grey = npt.NDArray[np.uint8]  # (H, W)
Part = tuple[float, float, float, float]  # left, top, right, bottom of a part of a picture, in its pixels
Net = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""A page detector: float32 (1, 1, H, W), 0..1, to maps (1, CHANNELS, H / STRIDE, W / STRIDE)."""

LONGEST = 1024  # pixels of the finest level's longest side: a page's small writing has digits of 15 pixels there
PADDING = 16  # pixels around a level, so that digits at the edge have paper around them
MULTIPLE = 16  # the sides of the net's input are multiples of this
# ENLARGED and UNGATED were chosen by `python -m benchmarks.reading.constants`.
ENLARGED = 1.4  # least enlargement of a small picture at its finest level: its digits may have few pixels
HALVED_TO = LARGEST  # longest side of the coarsest level, at most: there a digit that fills the picture is in range
MARGIN = 24  # pixels of a level around cells that report smaller digits, in which these are searched
CONTEXT = 48  # pixels of the finer level around that part: the context that the net needs of a digit's surroundings
UNGATED = 256  # longest side of levels that always run: they cost little, and digits may be too small to report


class Level(NamedTuple):
    """A picture at one scale, or a part of it. A point (x, y) of the picture is at scale * (x, y) - start."""

    image: npt.NDArray[np.float32]  # (1, 1, H, W): 0..1, both sides multiples of MULTIPLE
    scale: tuple[float, float]  # across, down: pixels of the level to one of the picture
    longest: int  # the picture's longest side here
    start: tuple[int, int] = (-PADDING, -PADDING)  # x, y: where the image begins, in pixels of the level


def levels(grey: Grey, longest: int = LONGEST) -> Iterator[Level]:
    """The levels of a picture, uint8 (H, W), from coarse to fine; each is made on demand.

    Raises ValueError for any other array.
    """
    if grey.dtype != np.uint8 or grey.ndim != 2 or not grey.size:
        raise ValueError(f"a picture is uint8 (H, W), but this is {grey.dtype} {grey.shape}")
    paper = border_level(grey)
    for pixels in reversed(_scaled(grey, longest)):
        scale = pixels.shape[1] / grey.shape[1], pixels.shape[0] / grey.shape[0]
        yield Level(as_input(pixels, paper), scale, max(pixels.shape))


def longest_sides(side: int, longest: int = LONGEST) -> list[int]:
    """The longest side of each level, from fine to coarse, for a picture whose own is `side`."""
    wanted = max(side, min(ENLARGED * side, longest / 2))
    grid = [longest]
    while grid[-1] > HALVED_TO:
        grid.append(max(1, round(grid[-1] / 2)))
    return grid[sum(half >= wanted for half in grid[1:-1]) :]  # at least two levels


def border_level(grey: Grey) -> int:
    """The median of the pixels along the edge: the best estimate of what lies around the picture."""
    return int(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def as_input(pixels: Grey, paper: int) -> npt.NDArray[np.float32]:
    """A level's pixels, uint8 (h, w), as the net takes them, with `paper` around: float32 (1, 1, H, W), 0..1."""
    height, width = (-(-(side + 2 * PADDING) // MULTIPLE) * MULTIPLE for side in pixels.shape)
    padded = np.full((height, width), paper, np.uint8)
    padded[PADDING : PADDING + pixels.shape[0], PADDING : PADDING + pixels.shape[1]] = pixels
    return (padded * np.float32(1 / 255))[None, None]


def detect(
    net: Net, grey: Grey, threshold: float = THRESHOLD, longest: int = LONGEST, gate: float | None = None
) -> Found:
    """The digits on a picture, uint8 (H, W), the most certain first; arguments as for `find`."""
    return suppress(find(net, grey, threshold, longest, gate))


def find(
    net: Net, grey: Grey, threshold: float = THRESHOLD, longest: int = LONGEST, gate: float | None = None
) -> Found:
    """The findings of a page detector at all levels of a picture, uint8 (H, W); a digit may be found twice.

    `threshold` is the least objectness, `longest` the longest side of the finest level. With a `gate`, 0..1, finer
    levels run only as long as the net reports smaller digits with at least this probability, and only on the part of
    the picture that holds them.
    """
    found = []
    part: Part = (0, 0, grey.shape[1], grey.shape[0])
    for whole in levels(grey, longest):
        level = _cut(whole, part)
        maps = net(level.image)
        found.append(_within(decode(maps, threshold, level.scale, level.start), part))
        if gate is not None and level.longest >= UNGATED:
            smaller = _with_smaller_digits(maps, level, part, gate)
            if smaller is None:
                break
            part = smaller
    return joined(found)


def text_of(found: Found) -> str:
    """The digits in reading order, text lines separated by a newline."""
    digits = found.probabilities.argmax(1)
    return "\n".join("".join(str(digits[index]) for index in line) for line in text_lines(found.boxes))


def _scaled(grey: Grey, longest: int) -> list[Grey]:
    """The picture at each level's size, from fine to coarse."""
    height, width = grey.shape
    scaled: list[Grey] = []
    source = grey
    for side in longest_sides(max(height, width), longest):
        factor = side / max(height, width)
        size = max(1, round(factor * width)), max(1, round(factor * height))
        if scaled and size[1] < SMALLEST:  # too low for a digit that this level is responsible for
            break
        how = cv2.INTER_AREA if factor <= 1 else cv2.INTER_LINEAR
        scaled.append(np.asarray(cv2.resize(source, size, interpolation=how), np.uint8))
        if factor <= 1:
            source = scaled[-1]  # the next one takes less work from this one
    return scaled


def _cut(level: Level, part: Part) -> Level:
    """A level cropped to a part of the picture, with CONTEXT around it."""
    ends = []
    for axis, scale in enumerate(level.scale):
        side = level.image.shape[3 - axis]
        first = int(scale * part[axis]) - CONTEXT - level.start[axis]
        last = int(scale * part[axis + 2]) + CONTEXT - level.start[axis]
        ends.append((max(0, first // MULTIPLE * MULTIPLE), min(side, -(-last // MULTIPLE) * MULTIPLE)))
    (left, right), (top, bottom) = ends
    image = np.ascontiguousarray(level.image[:, :, top:bottom, left:right])
    return level._replace(image=image, start=(level.start[0] + left, level.start[1] + top))


def _within(found: Found, part: Part) -> Found:
    """The digits whose centre lies in a part of the picture."""
    x, y = found.boxes[:, 0], found.boxes[:, 1]
    left, top, right, bottom = part
    return found.only((x >= left) & (x < right) & (y >= top) & (y < bottom))


def _with_smaller_digits(maps: Floats, level: Level, part: Part, gate: float) -> Part | None:
    """The part of `part` whose cells report smaller digits with at least the probability `gate`; None without any."""
    likely = 1 / (1 + np.exp(-np.clip(maps[0, SMALLER], -30, 30))) >= gate
    places = [  # x of each column, y of each row
        ((np.arange(cells) + 0.5) * STRIDE + start) / scale
        for cells, start, scale in zip(likely.shape[::-1], level.start, level.scale, strict=True)
    ]
    inside_x, inside_y = ((at >= part[axis]) & (at < part[axis + 2]) for axis, at in enumerate(places))
    likely &= inside_y[:, None] & inside_x
    if not likely.any():
        return None
    spans = []
    for axis, cells in enumerate((likely.any(0), likely.any(1))):
        there, reach = places[axis][cells], MARGIN / level.scale[axis]
        spans.append((max(part[axis], there[0] - reach), min(part[axis + 2], there[-1] + reach)))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom
