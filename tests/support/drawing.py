"""Digits drawn with a pen, for tests that must know what stands on a picture, and where."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]

WIDTH = 0.6  # of a digit's height
STROKES: dict[str, list[list[tuple[float, float]]]] = {  # x and y of 0..1; a curve goes smoothly through its points
    "0": [[(0.5, 0), (0.08, 0.3), (0.08, 0.7), (0.5, 1), (0.92, 0.7), (0.92, 0.3), (0.5, 0)]],
    "1": [[(0.55, 0), (0.5, 0.5), (0.45, 1)]],
    "2": [[(0.05, 0.25), (0.3, 0.02), (0.75, 0.05), (0.85, 0.35), (0.5, 0.7), (0.05, 1)], [(0.05, 1), (1, 0.97)]],
    "3": [
        [(0.1, 0.1), (0.5, 0), (0.88, 0.2), (0.4, 0.47)],
        [(0.4, 0.47), (0.95, 0.68), (0.75, 0.95), (0.4, 1), (0.05, 0.9)],
    ],
    "4": [[(0.2, 0), (0.08, 0.5), (0.95, 0.52)], [(0.82, 0.05), (0.78, 0.5), (0.74, 1)]],
    "5": [[(0.9, 0), (0.25, 0.02)], [(0.25, 0.02), (0.2, 0.45)],
          [(0.2, 0.45), (0.6, 0.38), (0.95, 0.65), (0.65, 0.97), (0.08, 0.95)]],
    "6": [[(0.75, 0), (0.25, 0.35), (0.08, 0.75), (0.4, 1), (0.85, 0.82), (0.7, 0.55), (0.15, 0.68)]],
    "7": [[(0.05, 0.05), (0.95, 0.02)], [(0.95, 0.02), (0.6, 0.5), (0.4, 1)]],
    "8": [[(0.8, 0.12), (0.4, 0), (0.15, 0.22), (0.5, 0.47), (0.85, 0.75), (0.5, 1), (0.12, 0.78), (0.5, 0.47),
           (0.82, 0.25), (0.8, 0.12)]],
    "9": [[(0.85, 0.2), (0.45, 0), (0.1, 0.25), (0.35, 0.5), (0.82, 0.3), (0.85, 0.2)], [(0.85, 0.2), (0.8, 0.6),
          (0.72, 1)]],
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A picture and what stands on it."""

    pixels: Pixels
    """(H, W, 3) RGB."""
    text: str
    boxes: list[Box]
    """x, y, width, height of each digit's ink, in the order of `text`, newlines left out."""
    ink: Pixels
    """(H, W), 255 where the pen was."""


def draw(
    text: str, height: int = 60, pen: int = 6, ink: Colour = (30, 30, 60), paper: Colour = (245, 243, 238)
) -> Drawing:
    """Write digits, lines separated by a newline, `height` pixels high and half of a digit's width apart."""
    lines = text.split("\n")
    wide, margin = round(height * WIDTH), height // 2 + pen
    columns, rows = max(map(len, lines)), len(lines)
    shape = (
        2 * margin + rows * height + (rows - 1) * height // 2,
        2 * margin + columns * wide + (columns - 1) * wide // 2,
    )
    everything, boxes = np.zeros(shape, np.uint8), []
    for row, line in enumerate(lines):
        for column, digit in enumerate(line):
            alone = np.zeros(shape, np.uint8)
            corner = margin + column * wide * 3 // 2, margin + row * height * 3 // 2
            for stroke in STROKES[digit]:
                points = np.array([(corner[0] + x * wide, corner[1] + y * height) for x, y in curve(stroke)])
                cv2.polylines(alone, [np.rint(points * 16).astype(np.int32)], False, 255, pen, cv2.LINE_AA, 4)
            x, y, width, tall = cv2.boundingRect((alone > 127).astype(np.uint8))
            boxes.append((x, y, width, tall))
            everything = np.maximum(everything, alone)
    part = everything[:, :, None] / 255
    pixels = np.rint(np.array(paper) * (1 - part) + np.array(ink) * part).astype(np.uint8)
    return Drawing(pixels, text, boxes, everything)


def curve(points: list[tuple[float, float]], steps: int = 12) -> list[tuple[float, float]]:
    """Points on the Catmull-Rom spline through the given ones; two are joined by a straight line."""
    if len(points) == 2:
        return points
    closed = points[0] == points[-1]
    known = np.array([points[-2] if closed else points[0], *points, points[1] if closed else points[-1]])
    at = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for p, q, r, s in zip(known, known[1:], known[2:], known[3:], strict=False):
        parts.append(q + 0.5 * at * (r - p + at * (2 * p - 5 * q + 4 * r - s + at * (3 * (q - r) + s - p))))
    return [(float(x), float(y)) for x, y in [*np.concatenate(parts), known[-2]]]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0, wide) * max(0, high)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
