"""A picture to the digits on it, by a page detector: pyramid, net, boxes, text lines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from digits.reading.boxes import SMALLER, STRIDE, THRESHOLD, Floats, Found, decode, joined, suppress
from digits.reading.linking import text_lines
from digits.reading.pyramid import PADDING, Grey, Level, levels

Net = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""A page detector: float32 (1, 1, H, W), 0..1, to maps (1, CHANNELS, H / STRIDE, W / STRIDE)."""

UNGATED = 256  # longest side of levels that are always looked at: they cost little, and digits may be too small to see


def detect(net: Net, grey: Grey, threshold: float = THRESHOLD, longest: int = 1024, gate: float | None = None) -> Found:
    """The digits on a picture, uint8 (H, W), the most certain first; arguments as `find` has them."""
    return suppress(find(net, grey, threshold, longest, gate))


def find(net: Net, grey: Grey, threshold: float = THRESHOLD, longest: int = 1024, gate: float | None = None) -> Found:
    """What a page detector takes for a digit at any level of a picture, uint8 (H, W); a digit may be found twice.

    `threshold` is the least objectness, `longest` the longest side of the finest level. With a `gate`, 0..1, finer
    levels are looked at only as long as the net says with at least this probability that smaller digits are there.
    """
    found = []
    for level in levels(grey, longest):
        maps = net(level.image)
        found.append(_on_picture(decode(maps, threshold, level.scale, PADDING), grey))
        if gate is not None and level.longest >= UNGATED and _smaller_digits(maps, level, grey) < gate:
            break
    return joined(found)


def text_of(found: Found) -> str:
    """The digits in reading order, text lines separated by a newline."""
    digits = found.probabilities.argmax(1)
    return "\n".join("".join(str(digits[index]) for index in line) for line in text_lines(found.boxes))


def _on_picture(found: Found, grey: Grey) -> Found:
    """Without boxes whose centre is beyond the edge."""
    height, width = grey.shape
    x, y = found.boxes[:, 0], found.boxes[:, 1]
    return found.only((x >= 0) & (x < width) & (y >= 0) & (y < height))


def _smaller_digits(maps: Floats, level: Level, grey: Grey) -> float:
    """The highest probability, 0..1, in any cell of the picture that it holds smaller digits."""
    start = PADDING // STRIDE
    rows, columns = (
        start + -(-round(scale * side) // STRIDE) for scale, side in zip(level.scale[::-1], grey.shape, strict=True)
    )
    logit = float(maps[0, SMALLER, start:rows, start:columns].max())
    return float(1 / (1 + np.exp(-logit)))
