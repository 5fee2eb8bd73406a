"""A digit on a picture, by its box, as the classifier takes it: light ink on black, its neighbours' strokes too."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.patch import BOX, SIDE

Grey = npt.NDArray[np.uint8]  # (H, W)
Floats = npt.NDArray[np.float32]

FINER = 2  # the ink is told from the paper on a patch so many times as large as the classifier's
PLANE_ROUNDS = 4  # of fitting the paper: each leaves out more of what is ink
OUTLIERS = 1.5  # pixels that are further from the plane than so many median distances are no paper
DARKEST = 97  # percentile of the distances from the paper that is full ink
FAINTEST = 4.0  # grey levels that ink differs from the paper, at least: less is made no darker
PAPER = 0.15  # share of the full ink's distance that is paper still: its grain

EVERY = 3  # so many pixels across and down one is asked about the paper: a ninth are enough for a plane
PLACES = np.linspace(-0.5, 0.5, FINER * SIDE, dtype=np.float32)
PLANE_TERMS = np.stack([np.tile(PLACES[::EVERY], 19), np.repeat(PLACES[::EVERY], 19), np.ones(19 * 19, np.float32)], 1)


def box_patches(grey: Grey, boxes: Floats) -> Grey:
    """Patches of the digits in boxes (n, 4) of a picture, uint8 (H, W): uint8 (n, 28, 28).

    A box has its centre x, y, its width and its height, in pixels. Its longer side becomes 20 pixels, as MNIST's digits
    have, and its centre the patch's. The paper is made even and black, whichever of the two was lighter.
    """
    patches = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    for patch, box in zip(patches, boxes, strict=True):
        patch[:] = _patch(grey, box)
    return patches


def _patch(grey: Grey, box: Floats) -> Grey:
    around = _around(grey, box)
    off = around - paper_of(around)
    inside = off[_inside(box)]
    darker, lighter = np.percentile(inside, [100 - DARKEST, DARKEST])
    full = max(float(lighter), -float(darker), FAINTEST)
    ink = (off if lighter >= -darker else -off) / np.float32(full)
    ink = np.clip((ink - PAPER) / (1 - PAPER), 0, 1)
    small = cv2.resize(ink, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    patch: Grey = np.round(255 * small).astype(np.uint8)
    return patch


def _around(grey: Grey, box: Floats) -> Floats:
    """The square of the picture around a box, of FINER times a patch's side; what is beyond the edge is the edge's."""
    x, y, wide, high = (float(number) for number in box)
    reach = max(wide, high, 1.0) * SIDE / BOX / 2
    left, top, right, bottom = int(x - reach) - 1, int(y - reach) - 1, int(x + reach) + 2, int(y + reach) + 2
    cut = grey[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if cut.size == 0:
        return np.zeros((FINER * SIDE, FINER * SIDE), np.float32)
    side = FINER * SIDE
    scale = side / (2 * reach)
    if scale < 1:  # every pixel counts, not those alone that lie where a new one is
        size = max(1, round(scale * cut.shape[1])), max(1, round(scale * cut.shape[0]))
        to_x, to_y = size[0] / cut.shape[1], size[1] / cut.shape[0]
        cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    else:
        to_x = to_y = 1.0
    across, down = scale / to_x, scale / to_y
    to = np.array(
        [
            [across, 0, across * (max(0, left) * to_x + 0.5) - scale * (x - reach) - 0.5],
            [0, down, down * (max(0, top) * to_y + 0.5) - scale * (y - reach) - 0.5],
        ]
    )
    warped = cv2.warpAffine(cut, to, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.float32)


def _inside(box: Floats) -> tuple[slice, slice]:
    """Rows and columns of the enlarged patch that the box covers."""
    scale = FINER * BOX / max(float(box[2]), float(box[3]), 1.0)
    middle = FINER * SIDE / 2
    halves = [max(2.0, scale * float(length) / 2) for length in (box[3], box[2])]
    down, across = (slice(round(middle - half), round(middle + half) + 1) for half in halves)
    return down, across


def paper_of(around: Floats) -> Floats:
    """The grey of the paper around a digit, (56, 56): a plane through most pixels; what fits it worst is left out."""
    terms = PLANE_TERMS
    grey = around[::EVERY, ::EVERY].ravel()
    plane = np.array([0, 0, np.median(grey)], np.float32)
    for _ in range(PLANE_ROUNDS):
        off = np.abs(grey - terms @ plane)
        kept = off <= max(1.0, OUTLIERS * float(np.median(off)))
        chosen = terms[kept]
        plane = np.linalg.solve(chosen.T @ chosen + 1e-3 * np.eye(3, dtype=np.float32), chosen.T @ grey[kept])
    paper: Floats = plane[0] * PLACES + plane[1] * PLACES[:, None] + plane[2]
    return paper
