"""Digits and signs drawn with a pen, in styles that MNIST lacks, then scaled and centred as MNIST's digits are.

Each has its own writer: width, slant and rotation, the deviation of every point of the pen's path, the thickness of the
pen, and whether it was a mouse on a small canvas or ink on paper.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.synthetic import strokes
from digits.reading.patch import as_mnist

Pictures = npt.NDArray[np.uint8]  # (N, 28, 28)
Points = npt.NDArray[np.float64]  # (..., 2): x, y

STEPS = 8  # points drawn for each point that a style names
FRACTION = 4  # fractional bits of the coordinates that OpenCV draws at


class Style(NamedTuple):
    """A way to write a sign: named points, and the weights by which the drawn points are means of them."""

    points: Points  # (P, 2), in heights
    weights: npt.NDArray[np.float64]  # (T, P)
    ends: tuple[int, ...]  # where each stroke ends among the T


def draw_digits(number: int, random: np.random.RandomState) -> tuple[Pictures, npt.NDArray[np.int64]]:
    """`number` drawn digits uint8 (N, 28, 28), the classes equal to within one, and their labels."""
    labels = np.arange(number, dtype=np.int64) % 10
    pictures = np.empty((number, 28, 28), np.uint8)
    for label, digit_styles in enumerate(strokes.DIGITS):
        pictures[labels == label] = draw(digit_styles, int((labels == label).sum()), random)
    sticks = np.flatnonzero(labels == 1)[::6]
    pictures[sticks] = draw(strokes.STICKS, len(sticks), random, pen=(0.12, 0.9))
    return pictures, labels


def draw_symbols(number: int, random: np.random.RandomState) -> Pictures:
    """`number` signs, letters and scribbles, uint8 (N, 28, 28)."""
    return draw(strokes.SYMBOLS, number, random, narrowest=0.8)


def draw(
    texts: tuple[str, ...],
    number: int,
    random: np.random.RandomState,
    narrowest: float = 0.6,
    pen: tuple[float, float] = (0.025, 0.18),
) -> Pictures:
    """Images uint8 (N, 28, 28) in styles chosen at random.

    `narrowest` is a share of the style's own width; `pen` is the least and the greatest thickness, in heights.
    """
    chosen = random.randint(len(texts), size=number)
    pictures = np.empty((number, 28, 28), np.uint8)
    for index, text in enumerate(texts):
        rows = np.flatnonzero(chosen == index)
        style = parse(text)
        for row, way in zip(rows, _ways(style, len(rows), random, narrowest), strict=True):
            pictures[row] = as_mnist(_ink(way, style.ends, pen, random))
    return pictures


def parse(text: str) -> Style:
    """A style of `digits.data.synthetic.strokes` as numbers."""
    strokes = [stroke.split() for stroke in text.split("/")]
    count = sum(map(len, strokes))
    identity, start, parts, ends = np.eye(count), 0, [], []
    for stroke in strokes:
        corners = [0, *(i for i, point in enumerate(stroke[1:-1], 1) if point.endswith("!")), len(stroke) - 1]
        for first, last in pairwise(corners):
            parts.append(curve(identity[start + first : start + last + 1]))
        start += len(stroke)
        ends.append(sum(map(len, parts)))
    points = [point.rstrip("!").split(",") for stroke in strokes for point in stroke]
    return Style(np.array(points, float) / 100, np.concatenate(parts), tuple(ends))


def curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A smooth curve (T, D) through points (P, D): the splines of Catmull and Rom (1974)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    parts = [
        (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3) / 2
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.concatenate([*parts, points[-1:]])


def _ways(style: Style, number: int, random: np.random.RandomState, narrowest: float) -> Points:
    """The style as written by `number` people: (N, T, 2), in heights."""

    def spread(middle: float, deviation: float, lowest: float, highest: float) -> npt.NDArray[np.float64]:
        return (middle + deviation * random.randn(number, 1)).clip(lowest, highest)

    off = random.uniform(0.01, 0.05, (number, 1, 1)) * random.randn(number, *style.points.shape)
    ways: Points = style.weights @ (style.points + off)
    wobble = random.randn(*ways.shape)  # of a mouse, smoothed a little
    wobble = (wobble + np.roll(wobble, 1, axis=1) + np.roll(wobble, 2, axis=1)) / 3
    ways += wobble * 0.02 * random.uniform(0, 1, (number, 1, 1)) ** 4
    width, slant, turn = spread(1.05, 0.25, narrowest, 1.7), spread(0.1, 0.2, -0.35, 0.6), spread(0, 0.09, -0.25, 0.25)
    x, y = ways[..., 0] * width, ways[..., 1]
    x = x - slant * y
    ways = np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], axis=-1)
    sides = np.ptp(ways, axis=1)  # (N, 2)
    square = (random.rand(number) < 0.15) & (sides[:, 0] > 0.25 * sides[:, 1])  # as in scans that were fitted to a box
    ways[square, :, 0] *= (sides[:, 1] / sides[:, 0] * random.uniform(0.7, 1, number))[square, None]
    return ways


def _ink(way: Points, ends: tuple[int, ...], pen: tuple[float, float], random: np.random.RandomState) -> Pictures:
    """Draw a path (T, 2) on a canvas of its own size: white on black, uint8 (H, W)."""
    height = np.exp(random.uniform(np.log(11), np.log(110)))
    thickness = max(1, round(height * np.exp(random.uniform(*np.log(pen)))))
    coarse = random.choice([1, 1, 2, 4])  # a quick mouse leaves corners
    edges = cv2.LINE_AA if random.rand() < 0.6 else cv2.LINE_8
    pixels = way * height
    pixels = pixels - pixels.min(axis=0) + thickness + 2
    wide, high = (pixels.max(axis=0) + thickness + 2).astype(int)
    canvas = np.zeros((high, wide), np.uint8)
    fixed = np.round(pixels * (1 << FRACTION)).astype(np.int32)
    for start, end in zip((0, *ends), ends, strict=False):
        stroke = fixed[start:end]
        taken = np.unique(np.append(np.arange(0, len(stroke), coarse), len(stroke) - 1))
        cv2.polylines(canvas, [stroke[taken]], False, 255, thickness, edges, FRACTION)
    return canvas
