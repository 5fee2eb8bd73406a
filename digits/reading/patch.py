"""A digit's ink in the form of MNIST's digits (LeCun et al. 1998): from a box on a picture, or by itself."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]  # (H, W)
Floats = npt.NDArray[np.float32]

BOX, SIDE = 20, 28  # MNIST's digits are scaled to fit a box of 20 pixels, and placed on 28 by 28
FINER = 2  # ink and paper are separated on a patch enlarged by this factor
# Chosen by `python -m benchmarks.reading.constants`, but for EVERY, which is for speed.
PLANE_ROUNDS = 4  # of fitting the paper: each excludes more of the ink
OUTLIERS = 1.5  # pixels that are further from the plane than this many median distances are not paper
DARKEST = 97  # percentile of the distances from the paper that is full ink
FAINTEST = 4.0  # least difference of ink from paper, in grey levels: fainter ink is not made darker
PAPER = 0.15  # share of the full ink's distance that still counts as paper: its grain

EVERY = 3  # every third pixel, across and down, is fitted to the paper: a ninth are enough for a plane
WIDENED = 0.12  # of a box's longer side: how far the ink may end from the detector's box
LOOKED_AT = 192  # longest side at which a whole picture's ink is searched, in pixels
ABOVE = 4.0  # median distances from the paper from which on a pixel is not grain
INKED = 0.4  # of the strongest ink's distance from the paper: the edge of a mark
SPECK = 0.01  # of the ink of the largest component: a smaller one is not a stroke of a digit
LEAST = 0.1  # of the picture: components that reach its edge are ignored if one so large does not
GAP = 0.3  # a stroke farther than this from a digit's others, in sizes of the largest one, is not part of it


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


def box_patches(grey: Grey, boxes: Floats) -> Grey:
    """Patches of the digits in boxes (n, 4) of a picture, uint8 (H, W): uint8 (n, 28, 28).

    A box has its centre x, y, its width and its height, in pixels. Its longer side becomes 20 pixels, as MNIST's digits
    have, and its centre the patch's. The paper becomes an even black, whether it was lighter than the ink or darker.
    """
    patches = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    for patch, box in zip(patches, boxes, strict=True):
        patch[:] = _patch(grey, box)
    return patches


def tightened(grey: Grey, boxes: Floats) -> Floats:
    """Boxes (n, 4) of a picture, uint8 (H, W), with their sides moved to where the ink ends: (n, 4).

    A side stays where ink continues beyond it, a neighbour's or that of a touching digit.
    """
    tight = boxes.copy()
    for box, own in zip(tight, boxes, strict=True):
        sides = [_ends(grey, own, axis) for axis in (0, 1)]
        for axis, (low, high) in enumerate(sides):
            box[axis], box[2 + axis] = (low + high) / 2, max(high - low, 1.0)
    return tight


def _ends(grey: Grey, box: Floats, axis: int) -> tuple[float, float]:
    """Where the ink in a box begins and ends along x (0) or y (1), within WIDENED of the box."""
    middle, half = box[:2], box[2:] / 2
    reach = np.ceil(half + WIDENED * float(box[2:].max())).astype(int)
    begin = np.maximum(np.floor(middle - reach).astype(int), 0)
    around = grey[begin[1] : int(middle[1]) + reach[1] + 1, begin[0] : int(middle[0]) + reach[0] + 1].astype(np.float32)
    first, last = float(middle[axis] - half[axis]), float(middle[axis] + half[axis])
    if min(around.shape) < 2:
        return first, last
    off = np.abs(around - paper_of(around))
    inked = np.flatnonzero((off >= INKED * float(off.max())).any(axis)) + begin[axis]
    if float(off.max()) < FAINTEST:
        return first, last
    end = begin[axis] + around.shape[1 - axis]
    edge = begin[axis] > 0, end < grey.shape[1 - axis]  # no ink continues beyond the picture
    return (
        first if edge[0] and inked[0] == begin[axis] else float(inked[0]),
        last if edge[1] and inked[-1] == end - 1 else float(inked[-1] + 1),
    )


def one_digit(grey: Grey) -> Grey:
    """The patch, uint8 (28, 28), of a picture, uint8 (H, W), that is known to hold one mark, a digit or another sign.

    Raises ValueError where no ink is found.
    """
    box = ink_box(grey)
    if box is None:
        raise ValueError("no ink was found on the picture; take one on which the writing stands out from the paper")
    patch: Grey = box_patches(grey, box[None])[0]
    return patch


def ink_box(grey: Grey) -> Floats | None:
    """The box, float32 (4,), of the one mark on a picture, uint8 (H, W); None where no ink is found.

    Strokes that don't touch are taken together; components at the picture's edge or far from the rest are ignored.
    """
    scale = min(1.0, LOOKED_AT / max(grey.shape))
    size = max(1, round(scale * grey.shape[1])), max(1, round(scale * grey.shape[0]))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    off = small - paper_of(small)
    marks = [mark for sign in (-1, 1) if (mark := _main_mark(off * np.float32(sign)))]
    if not marks:
        return None
    left, top, right, bottom = max(marks, key=lambda mark: mark[0])[1]
    x, y = grey.shape[1] / size[0], grey.shape[0] / size[1]
    return np.array(
        [(left + right) * x / 2, (top + bottom) * y / 2, (right - left) * x, (bottom - top) * y], np.float32
    )


def _main_mark(ink: Floats) -> tuple[float, tuple[int, int, int, int]] | None:
    """The amount of ink (above 0 in (H, W)) of the mark with most of it, and its left, top, right and bottom."""
    full = float(cv2.blur(ink, (3, 3)).max())
    mask = ink >= max(FAINTEST, ABOVE * float(np.median(np.abs(ink))), INKED * full)
    number, components, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    weights = np.bincount(components.ravel(), (ink * mask).ravel(), number)[1:]
    left, top, wide, high = stats[1:, :4].T
    right, bottom = left + wide, top + high
    inside = (left > 0) & (top > 0) & (right < ink.shape[1]) & (bottom < ink.shape[0])
    large = np.maximum(wide, high) >= LEAST * max(ink.shape)
    weights = np.where(inside, weights, 0) if (inside & large).any() else weights
    if not len(weights):
        return None
    main = int(weights.argmax())
    reach, together = GAP * max(wide[main], high[main]), np.arange(len(weights)) == main
    while True:
        across = np.maximum(left[:, None], left[together]) - np.minimum(right[:, None], right[together])
        down = np.maximum(top[:, None], top[together]) - np.minimum(bottom[:, None], bottom[together])
        near = (weights > SPECK * weights[main]) & (np.maximum(across, down).min(1) <= reach)
        if not (near & ~together).any():
            break
        together |= near
    edges = left[together].min(), top[together].min(), right[together].max(), bottom[together].max()
    return float(weights[together].sum()), (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3]))


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
    """The square of the picture around a box, of FINER times a patch's side; beyond the edge, the edge is repeated."""
    x, y, wide, high = (float(number) for number in box)
    reach = max(wide, high, 1.0) * SIDE / BOX / 2
    left, top, right, bottom = int(x - reach) - 1, int(y - reach) - 1, int(x + reach) + 2, int(y + reach) + 2
    cut = grey[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if cut.size == 0:
        return np.zeros((FINER * SIDE, FINER * SIDE), np.float32)
    side = FINER * SIDE
    scale = side / (2 * reach)
    if scale < 1:  # so that every pixel counts, not only those at the places of new ones
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
    """The grey of the paper of a picture, (H, W): a plane fitted to most pixels, without the worst outliers."""
    terms, across, down = _terms(*around.shape)
    grey = around[::EVERY, ::EVERY].ravel()
    plane = np.array([0, 0, np.median(grey)], np.float32)
    for _ in range(PLANE_ROUNDS):
        off = np.abs(grey - terms @ plane)
        kept = off <= max(1.0, OUTLIERS * float(np.median(off)))
        chosen = terms[kept]
        plane = np.linalg.solve(chosen.T @ chosen + 1e-3 * np.eye(3, dtype=np.float32), chosen.T @ grey[kept])
    paper: Floats = plane[0] * across + plane[1] * down[:, None] + plane[2]
    return paper


@lru_cache(maxsize=16)
def _terms(height: int, width: int) -> tuple[Floats, Floats, Floats]:
    """Terms of the plane at the sampled pixels: x, y and 1, float32 (n, 3), -0.5 to 0.5; then all x, all y."""
    across, down = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in (width, height))
    x, y = (places.ravel() for places in np.meshgrid(across[::EVERY], down[::EVERY]))
    return np.stack([x, y, np.ones_like(x)], 1), across, down


def _start(profile: npt.NDArray[np.uint64]) -> int:
    """Where a digit begins along an axis, for its centre of mass to lie on pixel 14; it stays inside the picture."""
    centre = float(profile @ np.arange(len(profile))) / float(profile.sum())
    return min(max(SIDE // 2 - round(centre), 0), SIDE - len(profile))
