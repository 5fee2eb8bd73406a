"""A digit's ink brought to the form that MNIST's digits have (LeCun et al. 1998)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

BOX, SIDE = 20, 28
"""MNIST's digits are scaled to fit a box of 20 pixels, and placed on 28 by 28."""


def as_mnist(ink: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """White ink on black, uint8 (H, W) of any size, to uint8 (28, 28).

    The part that has ink is scaled so that its longer side is 20 pixels, every new pixel the mean over the area that
    it covers, and placed so that the centre of mass, to the nearest pixel, is pixel (14, 14): in MNIST itself it lies
    there to within half a pixel. Raises ValueError when there is no ink.
    """
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        raise ValueError("the picture is black; leave out those without ink")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    high, wide = (max(1, round(length * BOX / max(ink.shape))) for length in ink.shape)
    scaled = cv2.resize(ink, (wide, high), interpolation=cv2.INTER_AREA)
    placed = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _start(scaled.sum(1)), _start(scaled.sum(0))
    placed[top : top + high, left : left + wide] = scaled
    return placed


def _start(profile: npt.NDArray[np.uint64]) -> int:
    """Where a digit begins along an axis, for its centre of mass to lie on pixel 14; it stays inside the picture."""
    centre = float(profile @ np.arange(len(profile))) / float(profile.sum())
    return min(max(SIDE // 2 - round(centre), 0), SIDE - len(profile))
