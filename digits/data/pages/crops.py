"""Square crops of pages, in which most digits have a size within the detector's range, and some have others."""

from __future__ import annotations

from math import exp, log

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import UNCLEAR, Composed, Grey, Random
from digits.reading.boxes import LARGEST, SMALLEST, sizes
from digits.reading.detect import border_level

KINDS = {"fitting": 0.65, "too large": 0.17, "too small": 0.06, "anywhere": 0.12}
"""Shares of crops of a page with digits, by the size of one digit: within the detector's range, or not, or any.

Digits that are too large for a level show parts that are not digits there; a crop anywhere on a page shows mostly
paper, whose noise at a fine level looks like strokes.
"""

TOO_LARGE, TOO_SMALL = (1.6, 6.0), (0.15, 0.6)  # factors by which a size is out of range
MOST_ENLARGED = 2.5  # pages are not enlarged further: no detail would be added
SEEN, HARDLY_SEEN = 0.8, 0.2  # least shares of a digit on the crop to be a target, and to be ignored as unclear
TINIEST = 3.0  # pixels below which a digit is illegible

Boxes = npt.NDArray[np.float32]  # (n, 4)
Labels = npt.NDArray[np.int64]  # (n,)


def random_crop(page: Composed, side: int, random: Random) -> tuple[Grey, Boxes, Labels]:
    """A crop of side x side pixels, the digits' boxes in its pixels, and their labels.

    The surroundings of the page have the grey of its border, as in the reader's levels.
    """
    height, width = page.pixels.shape
    kind = str(random.choice(list(KINDS), p=list(KINDS.values()))) if len(page.boxes) else "anywhere"
    if kind == "anywhere":
        scale = exp(random.uniform(log(0.3), log(MOST_ENLARGED)))
        x, y = random.uniform(0, width), random.uniform(0, height)
    else:
        chosen = int(random.integers(len(page.boxes)))
        scale = exp(random.uniform(log(SMALLEST), log(LARGEST))) / max(float(sizes(page.boxes)[chosen]), 4.0)
        if kind != "fitting":
            scale *= exp(random.uniform(*np.log(TOO_LARGE if kind == "too large" else TOO_SMALL)))
        scale = min(scale, MOST_ENLARGED)
        reach = 0.35 * side / scale
        x, y = (float(middle + random.uniform(-reach, reach)) for middle in page.boxes[chosen, :2])
    stretched = scale * float(np.clip(exp(random.normal(0, 0.04)), 0.88, 1.14)) if random.random() < 0.5 else scale
    left, across = _window(x, side / stretched, width)
    top, down = _window(y, side / scale, height)
    pixels = _cut(page.pixels, (left, top, across, down), side)
    return _varied(pixels, random), *_moved(page, (left, top, across, down), side)


def _window(middle: float, length: float, whole: int) -> tuple[int, int]:
    """Start and length of a window of about this length, mostly on the page."""
    if length < whole:
        middle = min(max(middle, 0.42 * length), whole - 0.42 * length)
    rounded = max(8, round(length))
    return round(middle - rounded / 2), rounded


def _cut(pixels: Grey, window: tuple[int, int, int, int], side: int) -> Grey:
    """The window (left, top, width, height) of a page, scaled to side x side."""
    left, top, across, down = window
    height, width = pixels.shape
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + across), min(height, top + down)
    cut = np.full((side, side), border_level(pixels), np.uint8)
    to_x, to_y = side / across, side / down
    u0, v0, u1, v1 = (
        round(at) for at in ((x0 - left) * to_x, (y0 - top) * to_y, (x1 - left) * to_x, (y1 - top) * to_y)
    )
    if x1 > x0 and y1 > y0 and u1 > u0 and v1 > v0:
        way = cv2.INTER_AREA if to_x < 1 else cv2.INTER_LINEAR
        cut[v0:v1, u0:u1] = cv2.resize(
            np.ascontiguousarray(pixels[y0:y1, x0:x1]), (u1 - u0, v1 - v0), interpolation=way
        )
    return cut


def _moved(page: Composed, window: tuple[int, int, int, int], side: int) -> tuple[Boxes, Labels]:
    """The page's boxes in pixels of the crop; cut-off ones are unclear, those outside are dropped."""
    left, top, across, down = window
    to_x, to_y = side / across, side / down
    boxes = ((page.boxes - np.array([left, top, 0, 0])) * np.array([to_x, to_y, to_x, to_y])).astype(np.float32)
    low = np.clip(boxes[:, :2] - boxes[:, 2:] / 2, 0, side)
    high = np.clip(boxes[:, :2] + boxes[:, 2:] / 2, 0, side)
    seen = np.prod(high - low, axis=1) / np.maximum(np.prod(boxes[:, 2:], axis=1), 1e-6)
    labels = np.where(seen > SEEN, page.labels.astype(np.int64), UNCLEAR)
    kept = (seen > HARDLY_SEEN) & (boxes[:, 3] >= TINIEST)
    return boxes[kept], labels[kept]


def _varied(pixels: Grey, random: Random) -> Grey:
    """The crop as from another camera: either polarity, more noise, less sharp, darker or lighter."""
    if random.random() < 0.5:
        pixels = 255 - pixels
    if random.random() < 0.25:
        noise = random.standard_normal(pixels.shape, np.float32) * exp(random.uniform(0, 2.2))
        pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.12:
        pixels = cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.4, 0.9)).astype(np.uint8, copy=False)
    if random.random() < 0.1:
        curve = 255 * (np.arange(256) / 255) ** exp(random.uniform(-0.7, 0.7))
        pixels = curve.astype(np.uint8)[pixels]
    return pixels
