"""A picture that was cut out along a digit's own box: it has no border of paper to tell the ink by.

USPS and many collections cut so. Whether the ink is dark or light, and whether this is a digit at all, the net says:
it reads the whole picture both ways.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.components import LOW, Piece, connected, join
from digits.reading.frames import find_panel, without_frames

Grey = npt.NDArray[np.uint8]

LARGEST = 640
"""Longest side in pixels; larger pictures come from cameras, and aren't cut out so."""
SHAPE = 0.12, 1.7
"""Width over height of a digit's box."""
SPAN = 0.93
"""The ink goes over this share of the picture's height or of its width."""
CONTRAST = 40
"""Levels of 255 between ink and paper."""
TAIL = 3
"""Per cent of the pixels that are darker than full ink, and lighter than paper, or the reverse."""
FLAT = 0.5
"""At least this share of the pixels is nearly full ink or nearly plain paper; light and shadow aren't (on made pages
0.52 to 0.95 of what was cut out, 0.1 to 0.5 of nine photos in ten)."""
SMALL = 64
"""Up to this side in pixels a picture shows a digit or so: it may be cut off anyhow."""
SPECK = 0.12
"""Size of the smallest piece that is a part of it, as a share of the whole."""


def whole_digits(pixels: npt.NDArray[np.uint8]) -> list[Piece]:
    """What ink a picture, uint8 (h, w, 3) RGB, has as one digit that fills it: if dark ink, and if light ink.

    Neither where it can't be one, as on a picture with the same paper all along its border.
    """
    high, wide = pixels.shape[:2]
    if max(high, wide) > LARGEST or min(high, wide) < 4 or not SHAPE[0] <= wide / high <= SHAPE[1]:
        return []
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    darker = np.bincount(grey.ravel(), minlength=256).cumsum() / grey.size  # all from the histogram: it is much faster
    dark, light = (int(level) for level in np.searchsorted(darker, [TAIL / 100, 1 - TAIL / 100]))
    if light - dark < CONTRAST:
        return []
    share = (np.arange(256) - dark) / (light - dark)
    table = (255 * ((share - 0.15) / 0.7).clip(0, 1)).astype(np.uint8)
    plain = np.abs(share - 0.5) > 0.38
    if np.diff(darker, prepend=0)[plain].sum() < FLAT:
        return []
    levels = cv2.LUT(grey, table).astype(np.uint8, copy=False)
    ring = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    mixed = int(ring.max()) - int(ring.min()) > LOW
    anyhow = max(high, wide) <= SMALL and mixed
    either = [255 - levels, levels] if mixed else [levels if ring.mean() < 128 else 255 - levels]
    inks = [ink for ink in either if anyhow or _spans(ink >= LOW, high, wide)]
    if not inks or find_panel(pixels) is not None:
        return []
    pieces = [_together(ink) for ink in inks]
    return [piece for piece in pieces if piece and (anyhow or _fills(piece.width, piece.height, high, wide))]


def _spans(mask: npt.NDArray[np.bool_], high: int, wide: int) -> bool:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return len(rows) > 0 and _fills(int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1, high, wide)


def _fills(width: int, height: int, high: int, wide: int) -> bool:
    return height >= SPAN * high or width >= SPAN * wide


def _together(ink: Grey) -> Piece | None:
    """All ink but specks as one piece."""
    pieces, number = connected(ink, max(2, round(SPECK * max(ink.shape))))
    return join(without_frames(pieces)) if pieces and number < 50 else None  # else it is paper's grain
