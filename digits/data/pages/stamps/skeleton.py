"""MNIST's digits without their pen: maps of the distance of every point from the middle of the stroke.

A threshold on a map gives the digit as written with a pen of another width, sharp at any size.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt

Greys = npt.NDArray[np.uint8]  # (N, 28, 28)
Points = npt.NDArray[np.float32]
Distances = npt.NDArray[np.uint8]  # (N, 56, 56), in sixteenths of a pixel

SIDE = 56  # pixels of a map: twice MNIST's, so that the strokes of a small loop don't meet
UNITS = 16  # steps of a map for each of its pixels; the largest distance is 16 pixels, more than any pen's width
SMOOTH = 0.8  # pixels by which a map is smoothed, so that enlarging it can interpolate between pixels
ROUNDS = 6  # of smoothing the line: a circle of radius r shrinks by about ROUNDS / (4 r) pixels
FINER = 3  # distances are taken from a line drawn on a grid finer by this factor
INK = 80  # level, 0..255, above which a pixel of a sharpened image is stroke: includes the faint ends of most strokes
FAITHFUL = 0.77  # least overlap of what the skeleton's pen writes with the digit's stroke: holds for nine of ten digits
CHUNK = 2000  # digits that are thinned together: their 6 MB fit into the processor's cache

NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)
"""The bits of the neighbours, clockwise from the one above: P2 to P9 of Zhang and Suen."""


def distance_maps(images: Greys) -> Distances:
    """Distance to the skeleton of each digit, uint8 (N, 28, 28) to uint8 (N, 56, 56), smoothed.

    A map is 255 everywhere where the skeleton does not represent the digit: a loop is filled, or there is no ink.
    """
    chunks = [_chunk(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
    return np.concatenate([np.empty((0, SIDE, SIDE), np.uint8), *chunks])


def thin(strokes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Skeletons, one pixel wide, of strokes bool (N, H, W): the parallel thinning of Zhang and Suen (1984).

    All images are thinned at once, stacked with a gap between them as one tall image.
    """
    number, high, wide = strokes.shape
    tall: cv2.typing.MatLike = np.pad(strokes.astype(np.uint8), ((0, 0), (1, 1), (1, 1))).reshape(
        number * (high + 2), wide + 2
    )
    before, left = -1, cv2.countNonZero(tall)
    while left != before:
        for kept in KEPT:
            code = cv2.filter2D(tall, cv2.CV_8U, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            tall = cv2.min(tall, cv2.LUT(code, kept))
        before, left = left, cv2.countNonZero(tall)
    return tall.reshape(number, high + 2, wide + 2)[:, 1:-1, 1:-1].astype(np.bool_)


def lines(image: npt.NDArray[np.uint8]) -> Points:
    """The skeleton of one digit, (28, 28), as short lines (S, 2, 2) from x, y to x, y, in pixels of a map."""
    points, joined = middle_line(thin(_stroke(image)[None])[0])
    return points[joined]


def middle_line(skeleton: npt.NDArray[np.bool_]) -> tuple[Points, npt.NDArray[np.intp]]:
    """The smooth line along the staircase of a skeleton bool (H, W).

    Returns its points (P, 2) x, y, and the pairs of them that are joined (S, 2). Every point moves to the mean of its
    neighbours and itself, a few times; ends stay where they are.
    """
    pixels = np.argwhere(skeleton)
    joined = np.abs(pixels[:, None] - pixels).max(axis=2) <= 1  # each with itself too
    weights = np.where(np.eye(len(pixels), dtype=np.bool_), joined.sum(axis=1) - 1, joined).astype(np.float32)
    ends = joined.sum(axis=1) <= 2
    weights[ends] = np.eye(len(pixels), dtype=np.float32)[ends]
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
    points = pixels[:, ::-1].astype(np.float32)
    for _ in range(ROUNDS):
        points = weights @ points
    return points, np.argwhere(np.triu(joined, 1))


def _chunk(images: Greys) -> Distances:
    strokes = np.stack([_stroke(image) for image in images])
    maps = [_distance(skeleton) for skeleton in thin(strokes)]
    return np.stack(
        [
            near if _faithful(near, stroke) else np.full_like(near, 255)
            for near, stroke in zip(maps, strokes, strict=True)
        ]
    )


def _stroke(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The strokes of a digit (28, 28), enlarged twice and sharpened first, so that small loops stay open."""
    enlarged = cv2.resize(image.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(enlarged, (0, 0), 0.8)
    sharpened = 2 * smooth - cv2.GaussianBlur(smooth, (0, 0), 3)
    return np.asarray(sharpened > INK)


def _faithful(distances: npt.NDArray[np.uint8], stroke: npt.NDArray[np.bool_]) -> bool:
    """Whether a pen of one width along the skeleton would write the stroke; not where a loop is filled."""
    area = int(stroke.sum())
    if not area:
        return False
    drawn = distances <= np.partition(distances, area - 1, axis=None)[area - 1]
    return bool((drawn & stroke).sum() >= FAITHFUL * (drawn | stroke).sum())


def _distance(skeleton: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Distance map uint8 (H, W) of one skeleton bool (H, W)."""
    if not skeleton.any():
        return np.full(skeleton.shape, 255, np.uint8)
    points, joined = middle_line(skeleton)
    fine = np.full((skeleton.shape[0] * FINER, skeleton.shape[1] * FINER), 255, np.uint8)
    pixels = np.rint((points * FINER + FINER // 2) * 16).astype(np.int32)  # the middle of a block of FINER x FINER
    cv2.polylines(fine, [*pixels[joined], *pixels[:, None]], False, 0, shift=4)
    distance = cv2.distanceTransform(fine, cv2.DIST_L2, cv2.DIST_MASK_5)
    smoothed = cv2.GaussianBlur(distance, (0, 0), SMOOTH * FINER)[FINER // 2 :: FINER, FINER // 2 :: FINER]
    return np.asarray(np.minimum(smoothed * (UNITS / FINER) + 0.5, 255), np.uint8)


def _kept(step: int) -> npt.NDArray[np.uint8]:
    """For each of the 256 neighbourhoods, whether a pixel of the stroke stays in this half of a round."""
    table = np.ones(256, np.uint8)
    for code in range(256):
        p2, p3, p4, p5, p6, p7, p8, p9 = around = [code >> bit & 1 for bit in range(8)]
        rises = sum(first < second for first, second in itertools.pairwise([*around, p2]))
        corner = (p4 * p6 * (p2 | p8)) if step == 0 else (p2 * p8 * (p4 | p6))
        if 2 <= p2 + p3 + p4 + p5 + p6 + p7 + p8 + p9 <= 6 and rises == 1 and not corner:
            table[code] = 0
    return table


KEPT = (_kept(0), _kept(1))
