"""The page detector's maps decoded to boxes of digits, each once. Training makes the maps with the same constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

STRIDE = 4  # pixels of a level to one cell of the maps, down and across
SMALLEST, LARGEST = 15.0, 36.0  # sizes of the digits that a level is responsible for, in its pixels
REFERENCE = 24.0  # the maps hold the logarithm of widths and heights divided by this many pixels
OBJECTNESS, CLASSES, BOX, SMALLER = 0, slice(1, 11), slice(11, 15), 15  # the maps' channels
CHANNELS = 16

BREADTH = 0.9  # a digit's size is its height, or this share of its width where that is more; as in training
THRESHOLD = 0.6  # objectness from which on the detector alone takes a box for a digit
MOST = 1500  # boxes considered; of more, those of least objectness are dropped

# Chosen by `python -m benchmarks.reading.constants`.
TOLERATED = 11.0, 46.0  # sizes that are accepted, in pixels of a level; beyond them another level sees the digit
OVERLAP = 0.45  # intersection over union from which two boxes are one digit found twice
INSIDE = 0.7  # share of a box within another from which either it is a part of that digit, or that is not a digit
NARROWEST = 0.35  # least width, of its height, with which a box is compared: a stick's own width is next to zero

Floats = npt.NDArray[np.float32]


class Found(NamedTuple):
    """Digits found on a picture, n of them; all float32."""

    boxes: Floats  # (n, 4): centre x, centre y, width, height in pixels of the picture
    objectness: Floats  # (n,): the probability that it is a digit, 0..1
    probabilities: Floats  # (n, 10): of 0..9, given that it is a digit

    def only(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Found:
        """The chosen digits, by a mask (n,) or by indices, in that order."""
        return Found(*(part[chosen] for part in self))


def joined(parts: Sequence[Found]) -> Found:
    """The findings of several levels, concatenated; empty for no levels."""
    nothing = Found(*(np.zeros(shape, np.float32) for shape in ((0, 4), 0, (0, 10))))
    return Found(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))


def sizes(boxes: Floats) -> Floats:
    """Sizes (n,) of boxes (n, 4), which decide the level that is responsible for a digit."""
    size: Floats = np.maximum(boxes[:, 3], BREADTH * boxes[:, 2])
    return size


def decode(
    maps: Floats, threshold: float, scale: tuple[float, float] = (1.0, 1.0), start: tuple[int, int] = (0, 0)
) -> Found:
    """The digits of one level: peaks of objectness of at least `threshold`, each the highest of its 3 x 3 cells.

    `maps` are (1, CHANNELS, H / STRIDE, W / STRIDE); `scale` is pixels of the level to one of the picture, across and
    down; `start` is where the maps begin, in pixels of the level.
    """
    objectness = np.ascontiguousarray(maps[0, OBJECTNESS])
    rows, columns = np.nonzero(objectness >= cv2.dilate(objectness, np.ones((3, 3), np.uint8)))
    certainty = _sigmoid(objectness[rows, columns])
    high = certainty >= threshold
    rows, columns, certainty = rows[high], columns[high], certainty[high]
    peaks = maps[0][:, rows, columns]  # (CHANNELS, n)

    dx, dy, *logarithms = peaks[BOX]
    x, y = (columns + 0.5 + dx) * STRIDE + start[0], (rows + 0.5 + dy) * STRIDE + start[1]
    wide, tall = REFERENCE * np.exp(np.clip(logarithms, -5, 5))  # clipped against overflow
    boxes = np.stack([x, y, wide, tall], 1)
    across, down = scale
    found = Found(
        (boxes / np.array([across, down, across, down])).astype(np.float32),
        certainty,
        _softmax(peaks[CLASSES].T),
    )
    size = sizes(boxes)
    return found.only((size > TOLERATED[0]) & (size < TOLERATED[1]))


def suppress(found: Found) -> Found:
    """Non-maximum suppression: each digit once, without parts of other digits, the most certain first.

    Boxes below THRESHOLD give way to boxes above it.
    """
    found = without_repetitions(found)
    return found.only(wholes(found))


def without_repetitions(found: Found) -> Found:
    """The most certain of boxes that overlap much (greedy non-maximum suppression), the most certain first."""
    found = found.only(np.argsort(-found.objectness, kind="stable")[:MOST])
    corners = _corners(found.boxes)
    area = _areas(corners)
    alive = np.ones(len(corners), np.bool_)
    kept = []
    for index in range(len(corners)):
        if alive[index]:
            kept.append(index)
            shared = _shared(corners[index], corners)
            alive &= shared <= OVERLAP * (area + area[index] - shared)
    return found.only(np.array(kept, np.intp))


def wholes(found: Found) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the boxes that remain where some lie within others: the whole, or all of its parts.

    A whole competes with the mean of its parts, from the smallest box to the largest, so that of parts within parts
    only the winners compete. Parts below THRESHOLD don't compete where others are above it.
    """
    corners = _corners(found.boxes)
    area = _areas(corners)
    alive = np.ones(len(corners), np.bool_)
    smaller = np.zeros(len(corners), np.bool_)
    for whole in np.argsort(area, kind="stable"):
        parts = np.flatnonzero(alive & smaller & (_shared(corners[whole], corners) > INSIDE * area))
        smaller[whole] = True
        if not len(parts):
            continue
        sure = parts[found.objectness[parts] >= THRESHOLD]
        rivals = sure if len(sure) else parts
        if found.objectness[whole] >= np.mean(found.objectness[rivals]):
            alive[parts] = False
        else:
            alive[whole] = False
    return alive


def _corners(boxes: Floats) -> Floats:
    """Left, top, right, bottom of boxes (n, 4), narrow ones widened: (n, 4)."""
    x, y, width, height = boxes.T
    width = np.maximum(width, NARROWEST * height)
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)


def _areas(corners: Floats) -> Floats:
    areas: Floats = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return areas


def _shared(one: Floats, others: Floats) -> Floats:
    """The areas that corners (n, 4) share with corners (4,): (n,)."""
    left, top, right, bottom = others.T
    across = np.minimum(right, one[2]) - np.maximum(left, one[0])
    down = np.minimum(bottom, one[3]) - np.maximum(top, one[1])
    areas: Floats = np.maximum(across, 0) * np.maximum(down, 0)
    return areas


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def _softmax(logits: Floats) -> Floats:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)
