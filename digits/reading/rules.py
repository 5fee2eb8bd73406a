"""Ruled and squared paper: its lines taken off the ink."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.components import LOW

Grey = npt.NDArray[np.uint8]

SMALLEST = 64
"""Side in pixels up to which a picture has no room for more than a digit, whose strokes may run right across."""
RUN = 0.12
"""Length of the straight runs that a line is made of, as a share of the picture; lines may be a degree or two askew."""
SPAN = 0.75
"""A line of the paper spans at least this share of the picture, and reaches both its sides, or one as others do."""
MARGIN = 0.02
"""What is nearer than this to a side, of the picture's width, reaches it."""
THICKEST = 0.015
"""The thickest line of a paper, as a share of the picture's shorter side."""


def without_rules(ink: Grey) -> Grey:
    """Ink, uint8 (H, W), without the long straight lines across or down the picture; strokes that cross them stay."""
    if min(ink.shape) < SMALLEST:
        return ink
    mask = (ink >= LOW).astype(np.uint8)
    across = _rules(mask)
    down = _rules(np.ascontiguousarray(mask.T)).T
    found = (across | down).astype(bool)
    if not found.any():
        return ink
    return np.where(found, 0, ink).astype(np.uint8)


def _rules(mask: Grey) -> Grey:
    """The pixels of the lines that run across: (H, W), 1 where one is."""
    high, wide = mask.shape
    lines = np.zeros_like(mask)
    side = int(MARGIN * wide) + 8
    if not mask[:, :side].any() and not mask[:, -side:].any():  # as on most canvases, and it saves the rest
        return lines
    run = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    run = cv2.morphologyEx(run, cv2.MORPH_OPEN, np.ones((1, max(9, int(RUN * wide))), np.uint8))
    if not run.any():
        return lines
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        cv2.dilate(run, np.ones((1, 9), np.uint8)), connectivity=8
    )
    margin = MARGIN * wide
    found: list[tuple[int, int, float]] = []  # number, sides that it reaches, thickness
    for number in range(1, count):
        x, y, w, h = (int(value) for value in stats[number][:4])
        sides = (x <= margin) + (x + w >= wide - margin)
        if w < SPAN * wide or not (sides == 2 or (sides == 1 and w >= 0.6 * high)):
            continue
        # the lower quartile of the single runs, since strokes and other lines hang together with it
        own = (labels[y : y + h, x : x + w] == number).astype(np.int16)
        runs = np.maximum(np.diff(own, axis=0, prepend=0), 0).sum(0)
        thickness = float(np.quantile(own.sum(0) / np.maximum(runs, 1), 0.25)) - 2
        if thickness <= max(2.5, THICKEST * min(high, wide)):
            found.append((number, sides, max(1.0, thickness)))
    for number, sides, thickness in found:
        if sides < 2 and len(found) < 2:  # one alone may be a stroke
            continue
        y, h = int(stats[number][cv2.CC_STAT_TOP]), int(stats[number][cv2.CC_STAT_HEIGHT])
        rows = slice(max(0, y - 1), y + h + 1)
        near = cv2.dilate((labels[rows] == number).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.uint8)
        # a stroke that crosses is longer, up and down, than the line is thick
        tall = 2 * int(np.ceil(thickness)) + 2
        band = slice(max(0, y - tall), y + h + tall)
        crossing = cv2.morphologyEx(mask[band], cv2.MORPH_OPEN, np.ones((tall, 1), np.uint8)).astype(np.uint8)
        crossing = crossing[rows.start - band.start :][: near.shape[0]]
        lines[rows] |= near & mask[rows] & (1 - crossing)
    return lines
