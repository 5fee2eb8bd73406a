"""Patches cut out of composed pages by the boxes of their writing, as the reader cuts out a detector's findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import UNCLEAR, Composed, Random
from digits.data.pages.paper.light import log_uniform
from digits.reading.patch import box_patches

MOVED, RESIZED, STRETCHED = 0.04, 0.08, 0.07
"""Errors of boxes, as standard deviations: of a centre in shares of the size, of the size and the aspect as logarithms.
A detector's boxes had the same errors on validation pages (`python -m benchmarks.reading.choose`)."""

SHIFTED = 0.3  # boxes that fit no digit (between two, beside one, on a part of one) for each that fits one
NEAR = 0.4  # a box whose centre is off by this share of a digit's sides certainly does not fit it
AS_LARGE = 0.6  # least height of a box that may fit a digit, in its heights; a lower one holds a part of it
ON_THINGS = 12  # boxes on a picture without writing: on its edges, where a detector's false findings lie
SMALLEST = 8  # least height of such a box, in pixels
NO_DIGIT = -1  # the label of a patch without a digit


class Patches(NamedTuple):
    """Patches with the label of what is in the middle of each."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28)
    labels: npt.NDArray[np.int64]  # (N,): 0..9 or NO_DIGIT


def cut_patches(pages: Sequence[Composed], random: Random) -> Patches:
    """Patches of every clear digit, of all else that was written, of boxes that fit nothing, and of things."""
    images, labels = [np.empty((0, 28, 28), np.uint8)], [np.empty(0, np.int64)]
    for page in pages:
        clear = page.labels != UNCLEAR
        digits = page.boxes[clear]
        written = np.concatenate([digits, page.others])
        nothing = len(page.boxes) + len(page.others) == 0
        misfits = _on_things(page.pixels, random) if nothing else _misfits(digits, page.boxes, random)
        boxes = np.concatenate([_jittered(written, random), misfits])
        images.append(box_patches(page.pixels, boxes))
        labels.append(np.full(len(boxes), NO_DIGIT, np.int64))
        labels[-1][: len(digits)] = page.labels[clear]
    return Patches(np.concatenate(images), np.concatenate(labels))


def _jittered(boxes: npt.NDArray[np.float32], random: Random) -> npt.NDArray[np.float32]:
    """Boxes (n, 4) with the errors of a detector's."""
    moved = boxes.copy()
    sizes = boxes[:, 2:].max(1, initial=1, keepdims=True)
    number = len(boxes)
    moved[:, :2] += sizes * random.normal(0, MOVED, (number, 2))
    factors = np.exp(random.normal(0, RESIZED, (number, 1)) + random.normal(0, STRETCHED, (number, 1)) * [[1, -1]])
    moved[:, 2:] *= factors
    return moved


def _misfits(
    digits: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32], random: Random
) -> npt.NDArray[np.float32]:
    """Boxes of about the digits' size, half a digit off or on a quarter of one, that fit none of the page's `boxes`."""
    chosen = digits[random.random(len(digits)) < SHIFTED].copy()
    for box in chosen:
        if random.random() < 0.6:  # up or down: beside a digit there may be another
            box[:2] += random.choice([-1, 1]) * box[2:] * (0, random.uniform(0.55, 1.0))
        else:
            box[:2] += random.choice([-1, 1], 2) * box[2:] / 4
            box[2:] *= random.uniform(0.3, 0.5)
    sides = np.maximum(boxes[None, :, 2:], 1)
    off = (np.abs(chosen[:, None, :2] - boxes[None, :, :2]) / sides).max(2, initial=0)  # (m, n)
    as_large = chosen[:, None, 3] > AS_LARGE * boxes[None, :, 3]
    fitting = ((off <= NEAR) & as_large).any(1)
    misfits: npt.NDArray[np.float32] = chosen[~fitting]
    return misfits


def _on_things(grey: npt.NDArray[np.uint8], random: Random) -> npt.NDArray[np.float32]:
    """Boxes of the shapes of digits of any size, their middles where a picture's grey levels change."""
    height, width = grey.shape
    soft = cv2.GaussianBlur(grey, (0, 0), 1.5).astype(np.float32)
    change = np.hypot(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)).ravel() + 0.1
    places = random.choice(change.size, ON_THINGS, p=change / change.sum())
    highs = np.array([log_uniform(random, SMALLEST, max(SMALLEST, height)) for _ in places])
    wides = np.minimum(highs * np.exp(random.normal(np.log(0.65), 0.35, ON_THINGS)), width)
    return np.stack([places % width, places // width, wides, highs], 1).astype(np.float32)
