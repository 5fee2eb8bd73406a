"""The ink of a picture, told from its paper."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Colours = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

COARSE = 256
"""Longest side, in pixels, at which the paper is looked at; it changes slowly."""
ALIKE = 12
"""Levels of 0..255 by which pixels of one colour differ at most, through compression."""
SMALL = 64
"""Up to this side in pixels a picture shows a digit or two, which may fill most of it."""
FRAMED = 0.95
"""Paper that shows along so much of the border is the same within, where a bold digit may leave little of it."""
DISCS = 1 / 20, 1 / 10, 1 / 5, 1 / 3, 1 / 2
"""Widths, as shares of the picture's shorter side, among which are the widest strokes that it may have."""
CLEAR, BLUR = 6, 1.5
"""Ink is darker than the paper by this many standard deviations of the paper's noise, if need be after a blur by so
many pixels."""
DARKEST = 16
"""Paper of less light, of 255, is taken for as bright as this, lest its noise counts for much."""
BOLD = 0.5
"""What takes more than this share of the light away is no paper's texture."""
HALO = 0.04
"""What is so near to ink, of the picture's shorter side, may be its soft edge."""
FAINTEST = 0.11
"""Ink takes at least this share of the paper's light away; less is taken for the paper's own texture."""


def find_ink(pixels: Colours) -> Grey:
    """How much ink each pixel of a picture has.

    Takes RGB, uint8 (H, W, 3), and gives uint8 (H, W): 255 is full ink, 0 is paper. Dark ink on light paper and light
    ink on dark paper, of any colour; shadows and what else changes slowly belong to the paper. A blank page has none.
    """
    if _is_grey(pixels):  # a third of the work
        pixels = np.ascontiguousarray(pixels[..., 0])
    coarse = _coarse(pixels)
    if not _ink_is_dark(coarse):
        pixels, coarse = 255 - pixels, 255 - coarse
    plain = _plain(coarse)
    return _levels(_darkness(pixels, _paper(coarse) if plain is None else plain))


def _is_grey(pixels: Colours) -> bool:
    few = pixels[::16, ::16]
    return all(np.array_equal(some[..., 0], some[..., channel]) for some in (few, pixels) for channel in (1, 2))


def _coarse(pixels: Colours | Grey) -> Colours:
    """Small, with three channels: (h, w, 3)."""
    high, wide = pixels.shape[:2]
    if (factor := COARSE / max(high, wide)) < 1:
        size = max(1, round(wide * factor)), max(1, round(high * factor))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels


def _ink_is_dark(coarse: Colours) -> bool:
    """Whether the ink is darker than the paper, which is what the border shows, or what most is around every place."""
    grey = cv2.cvtColor(coarse, cv2.COLOR_RGB2GRAY)
    if (border := _border(coarse)) is not None:
        paper = cv2.cvtColor(border[None, None], cv2.COLOR_RGB2GRAY).astype(np.float64)
    else:
        paper = cv2.medianBlur(grey, min(grey.shape) // 2 | 1).astype(np.float64)
    return float(((grey - paper) ** 3).sum()) <= 0  # what stands out the most weighs most


def _border(coarse: Colours, share: float = 0.75) -> Colours | None:
    """The colour along the picture's border, uint8 (3,), where it is the same in at least a share; None elsewhere."""
    ring = np.concatenate([coarse[0], coarse[-1], coarse[:, 0], coarse[:, -1]])
    colour = np.median(ring, axis=0)
    return colour.astype(np.uint8) if (np.abs(ring - colour).max(1) <= ALIKE).mean() > share else None


def _paper(coarse: Colours) -> Colours:
    """The paper alone, dark ink taken off: uint8 (h, w, 3).

    First an upper envelope: what is narrower than a disc, as strokes are, is filled from its sides. The disc is the
    smallest whose ink grows little with a larger one, since what only larger discs take off are shadows. What the
    envelope calls ink is then filled, and a median over the disc follows the edges of shadows.
    """
    calm = cv2.medianBlur(coarse, 3)
    grey = cv2.cvtColor(calm, cv2.COLOR_RGB2GRAY)
    darkest = cv2.cvtColor(coarse, cv2.COLOR_RGB2GRAY).astype(np.float32)
    sizes = sorted({max(3, int(min(grey.shape) * share) | 1) for share in DISCS})
    envelopes = [cv2.morphologyEx(grey, cv2.MORPH_CLOSE, _disc(size)) for size in sizes]
    taken = [(1 - darkest / np.maximum(envelope, 16)).clip(min=0) for envelope in envelopes]
    level = 0.5 * float(np.quantile(taken[-1], 0.998))
    areas = [int((share > level).sum()) for share in taken]
    enough = [index for index in range(len(sizes) - 1) if areas[index] > 0.7 * areas[index + 1] > 0]
    chosen = min(enough[0] + 1 if enough else len(sizes) - 1, len(sizes) - 1)
    side = sizes[chosen]
    inked = cv2.dilate((taken[chosen] > 0.6 * level).astype(np.uint8), np.ones((3, 3), np.uint8))
    weight = (1 - inked).astype(np.float32)[..., None]
    spread = max(1.0, side / 4)
    near = cv2.GaussianBlur(calm * weight, (0, 0), spread)
    total = cv2.GaussianBlur(weight[..., 0], (0, 0), spread)[..., None]
    envelope = cv2.morphologyEx(calm, cv2.MORPH_CLOSE, _disc(side))
    filled = np.where(total > 1e-3, near / np.maximum(total, 1e-3), envelope)
    whole = np.where(inked[..., None] > 0, filled, calm).astype(np.uint8)
    smooth = cv2.GaussianBlur(cv2.medianBlur(whole, min(side, 255)), (0, 0), max(0.8, side / 16))
    return smooth.astype(np.uint8, copy=False)


def _disc(side: int) -> Grey:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)


def _plain(coarse: Colours) -> Colours | None:
    """The paper's colour, uint8 (3,), where it is the same everywhere, as on a canvas; None where it isn't."""
    colour = _border(coarse)
    bordered = colour is not None
    if colour is None:
        modes = [np.bincount(coarse[..., channel].ravel(), minlength=256).argmax() for channel in range(3)]
        colour = np.array(modes, np.uint8)
    near = (np.abs(coarse.astype(np.int16) - colour) <= ALIKE / 2).all(2)
    if bordered and (max(coarse.shape[:2]) <= SMALL or _border(coarse, FRAMED) is not None):
        return colour if near.mean() > 0.15 else None
    cells = cv2.resize(near.astype(np.float32), (3, 3), interpolation=cv2.INTER_AREA)
    return colour if near.mean() > 0.5 and cells.min() > 0.15 else None


def _darkness(pixels: Colours | Grey, paper: Colours) -> Field:
    """The share of the paper's light that is taken away, about 0 to 1: float32 (H, W). The ink's colour weighs most.

    `paper` is one colour, (3,), or that of every place, (h, w, 3).
    """
    if pixels.ndim == 2:
        return _grey_darkness(pixels, paper[..., 0])
    step = max(1, max(pixels.shape) // COARSE)
    few = pixels[::step, ::step]
    ground = np.broadcast_to(paper, few.shape) if paper.ndim == 1 else _resized(paper, few)
    taken = np.subtract(ground, few, dtype=np.float32) / np.maximum(ground, DARKEST)
    strongest = np.maximum(np.maximum(taken[..., 0], taken[..., 1]), taken[..., 2])
    level = float(np.quantile(strongest, 0.97))
    weights = np.maximum(taken[strongest >= max(level, 1e-3)].reshape(-1, 3).mean(0), 0) if level > 0 else np.ones(3)
    weights = (weights / max(float(weights.sum()), 1e-6)).astype(np.float32)
    if paper.ndim == 1:  # one pass, since it is linear
        scale = weights / np.maximum(paper.astype(np.float32), DARKEST)
        offset = float(scale @ paper.astype(np.float32))
        return cv2.transform(pixels.astype(np.float32), np.append(-scale, offset)[None]).astype(np.float32, copy=False)
    return cv2.transform(_share(_resized(paper, pixels), pixels), weights[None]).astype(np.float32, copy=False)


def _grey_darkness(pixels: Grey, paper: Grey) -> Field:
    if not paper.ndim:
        table = ((float(paper) - np.arange(256)) / max(float(paper), DARKEST)).astype(np.float32)
        return cv2.LUT(pixels, table).astype(np.float32, copy=False)
    return _share(_resized(np.ascontiguousarray(paper), pixels), pixels)


def _share(light: Colours, pixels: Colours) -> Field:
    """The share of the light that each pixel takes away, in each channel."""
    taken = cv2.subtract(light, pixels, dtype=cv2.CV_32F)
    return cv2.divide(taken, np.maximum(light, DARKEST), dtype=cv2.CV_32F).astype(np.float32, copy=False)


def _resized(paper: Colours, like: Colours) -> Colours:
    high, wide = like.shape[:2]
    return cv2.resize(paper, (wide, high), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _levels(darkness: Field) -> Grey:
    """Darkness to 0..255, from above the paper's noise to the ink's usual darkness; 0 where all is noise."""
    full, noise = _contrast(darkness)
    if full < CLEAR * noise:  # strokes outlast a blur that grain doesn't
        darkness = cv2.GaussianBlur(darkness, (0, 0), BLUR).astype(np.float32, copy=False)
        full, noise = _contrast(darkness)
    if not full or full < CLEAR * noise:
        return np.zeros(darkness.shape, np.uint8)
    low = max(0.1 * full, 2.5 * noise)
    high = max(0.9 * full, low + 1e-3)
    levels = cv2.convertScaleAbs(np.maximum(darkness - low, 0), alpha=255 / (high - low))
    return np.asarray(levels, np.uint8)


def _contrast(darkness: Field) -> tuple[float, float]:
    """The ink's usual darkness, 0 where there is none, and the standard deviation of the paper's noise."""
    noise = _noise(darkness)
    step = max(1, max(darkness.shape) // (2 * COARSE))
    few = darkness[::step, ::step]
    strong = few[few > max(4 * noise, FAINTEST)].astype(np.float64)
    return (float((strong**3).sum() / (strong**2).sum()) if len(strong) else 0.0), noise


def _noise(darkness: Field) -> float:
    """The standard deviation of the paper's noise, from the median deviation in the parts that have most of it.

    What is bold, and near to it, isn't paper: a digit may fill most of the picture.
    """
    high, wide = darkness.shape
    few = darkness[:: max(1, high // 256), :: max(1, wide // 256)]
    strongest = float(few.max())
    dark = few > (strongest / 2 if strongest > BOLD else np.inf)
    near = max(3, round(min(few.shape) * HALO)) | 1
    paper = ~dark if min(few.shape) <= SMALL else cv2.dilate(dark.astype(np.uint8), _disc(near)) == 0
    parts = [few[paper]]
    if min(few.shape) > SMALL:
        cells = [
            (cell, shown)
            for band, shown_band in zip(np.array_split(few, 5), np.array_split(paper, 5), strict=True)
            for cell, shown in zip(np.array_split(band, 5, axis=1), np.array_split(shown_band, 5, axis=1), strict=True)
        ]
        parts = [cell[shown] for cell, shown in cells if shown.mean() > 0.3] or parts
    parts = [part for part in parts if len(part)] or [few[~dark]]
    deviations = [float(np.median(np.abs(part - np.median(part)))) for part in parts]
    return 1.4826 * float(np.quantile(deviations, 0.8))
