"""What writing stands in, and is none: a canvas on a screenshot, a sheet on a scan, a frame, the cells of a form."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.components import LOW, Piece, connected

Grey = npt.NDArray[np.uint8]

COARSE = 256
"""Longest side, in pixels, at which panels are looked for."""
ROOM = 64
"""A picture with a shorter side than this shows no panel with writing in it."""
PANEL = 0.2
"""A panel takes at least this share of the picture, and so much more than the next one as LARGEST says."""
LARGEST = 3.0
SHADOW = 0.4
"""Shadows leave more of the light than this; at the picture's edge, what is darker around a panel is no shadow."""
RECTANGLE = 0.96
"""A panel fills so much of its box; nothing that is written does."""
MARKED = 0.003, 0.5
"""Share of a panel that what stands on it takes."""
NESTED = 3
"""Panels within panels that are looked into."""
HOLD = 0.16
"""What stands in a frame is at least so high, of the frame's height; less may be a speck in the hole of a 0."""
ALONE = 0.6
"""And at most so high, where it is the only thing in a frame that isn't drawn with straight lines: else it may be the
stroke of a slashed 0."""
STRAIGHT = 0.75
"""Share of a frame's ink on straight runs, across and down."""
GRID, LENGTH, AROUND, THIN = 40, 0.9, 0.15, 0.05
"""The lines of a frame or a table are at least so many pixels long, and go over so much of its box; the outer ones are
so near to its edges, and so thin in the mean, of the shorter side: a 0 may be square, but its stroke is wider."""
TRIED = 20
"""Pieces, the largest, that are looked at as frames."""


def find_panel(pixels: npt.NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """The rows and columns of the plain rectangle on which all of a picture's writing is, uint8 (h, w, 3) RGB.

    None where there is none, that is, where the whole picture is the paper.
    """
    high, wide = pixels.shape[:2]
    found: tuple[int, int, int, int] | None = None
    if min(high, wide) < ROOM:
        return None
    step = max(high, wide) / COARSE
    size = (wide, high) if step < 1 else (round(wide / step), round(high / step))
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    left, top = 0, 0
    for _ in range(NESTED):
        if min(grey.shape) < ROOM // 4 or (panel := _panel(grey.astype(np.uint8, copy=False))) is None:
            break
        x, y, w, h = panel
        left, top, grey = left + x, top + y, grey[y : y + h, x : x + w]
        found = left, top, w, h
    if found is None:
        return None
    across, down = wide / size[0], high / size[1]
    left, top, w, h = found
    return (
        slice(int(np.ceil(top * down)), int((top + h) * down)),
        slice(int(np.ceil(left * across)), int((left + w) * across)),
    )


def _panel(grey: Grey) -> tuple[int, int, int, int] | None:
    """Left, top, width and height within a frame's soft edge."""
    whole = grey.size
    _, bright = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    panels: list[tuple[int, tuple[int, int, int, int]]] = []
    for mask in (bright.astype(np.uint8), (1 - bright).astype(np.uint8)):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for number in range(1, count):
            x, y, w, h, area = (int(value) for value in stats[number])
            if w * h < PANEL / LARGEST * whole or (w >= grey.shape[1] - 2 and h >= grey.shape[0] - 2):
                continue
            own = (labels[y : y + h, x : x + w] == number).astype(np.uint8)
            outlines, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            filled = max(cv2.contourArea(outline) for outline in outlines)
            if filled < RECTANGLE * (w - 1) * (h - 1) or not MARKED[0] <= 1 - area / (w * h) <= MARKED[1]:
                continue
            apart = x > 1 and y > 1 and x + w < grey.shape[1] - 1 and y + h < grey.shape[0] - 1
            if not apart and not _is_unlike(grey, (slice(y, y + h), slice(x, x + w))):
                continue
            panels.append((w * h, (x + 2, y + 2, w - 4, h - 4)))
    panels.sort(reverse=True)
    if not panels or panels[0][0] < PANEL * whole or min(panels[0][1][2:]) < 8:
        return None
    return panels[0][1] if len(panels) == 1 or panels[0][0] >= LARGEST * panels[1][0] else None


def _is_unlike(grey: Grey, panel: tuple[slice, slice]) -> bool:
    """Whether the picture outside a panel differs from the panel more than light and shadow do."""
    outside = np.ones(grey.shape, bool)
    outside[panel] = False
    if not outside.any():
        return False
    levels = sorted((float(np.median(grey[panel])), float(np.median(grey[outside]))))
    return levels[0] < SHADOW * levels[1]


def without_frames(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces without those in whose holes others stand: frames, rings, the lines of a table.

    What touches the lines of a frame or a table is cut off them.
    """
    pieces = [part for piece in pieces for part in _off_grid(piece)]
    if len(pieces) < 2:
        return pieces
    boxes = np.array([(piece.left, piece.top, piece.right, piece.bottom) for piece in pieces])
    largest = sorted(range(len(pieces)), key=lambda index: -pieces[index].width * pieces[index].height)
    frames: set[int] = set()
    for index in largest[:TRIED]:
        piece, box = pieces[index], boxes[index]
        within = (boxes[:, :2] > box[:2]).all(1) & (boxes[:, 2:] < box[2:]).all(1)
        held = [pieces[other] for other in np.flatnonzero(within)]
        if not held:
            continue
        straight = _is_straight(piece)
        least = HOLD * (0.4 if straight else 1.0) * piece.height
        held = [other for other in held if other.height >= least]
        if held and (straight or len(held) > 1 or held[0].height <= ALONE * piece.height) and _closes(piece, held):
            frames.add(index)
    return [piece for index, piece in enumerate(pieces) if index not in frames]


def holds_table(ink: Grey) -> bool:
    """Whether there is a frame or a table on a picture, within its edges: what is ruled is that, and not the paper."""
    high, wide = ink.shape
    return any(
        _grid((piece.ink >= LOW).astype(np.uint8)) is not None
        for piece in connected(ink, GRID, TRIED)[0]
        if piece.left > 0 and piece.top > 0 and piece.right < wide and piece.bottom < high
    )


def _off_grid(piece: Piece) -> list[Piece]:
    """What is left of a piece without the lines that go all around it, and others as long; itself where none do."""
    lines = _grid((piece.ink >= LOW).astype(np.uint8))
    if lines is None:
        return [piece]
    found, _ = connected(np.where(lines > 0, 0, piece.ink).astype(np.uint8), GRID // 4)
    return [Piece(piece.left + part.left, piece.top + part.top, part.ink) for part in found] or [piece]


def _grid(mask: Grey) -> Grey | None:
    """The lines of a frame or a table, and a pixel around them; None where they don't go all around."""
    if min(mask.shape) < GRID:
        return None
    across, down = _lines(mask), _lines(np.ascontiguousarray(mask.T)).T
    edge = max(2, int(AROUND * min(mask.shape)))
    if not (across[:edge].any() and across[-edge:].any() and down[:, :edge].any() and down[:, -edge:].any()):
        return None
    if Piece(0, 0, 255 * mask).stroke > THIN * min(mask.shape) + 2.5:
        return None
    return cv2.dilate(across | down, np.ones((3, 3), np.uint8)).astype(np.uint8)


def _lines(mask: Grey) -> Grey:
    """The pixels on thin lines that run right across a mask, which may be a little askew."""
    wide = mask.shape[1]
    run = max(5, int(LENGTH * wide))
    thick = cv2.dilate(np.pad(mask, ((0, 0), (run, run))), np.ones((3, 1), np.uint8))  # beyond a border all would count
    runs = cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    spread = cv2.dilate(runs, np.ones((1, 5), np.uint8))[:, run : run + wide]
    return np.minimum(spread, mask).astype(np.uint8)


def _is_straight(piece: Piece) -> bool:
    """Whether it is made of lines across and down, as frames and tables are."""
    run = max(5, int(0.3 * min(piece.ink.shape)))
    mask = np.pad((piece.ink >= LOW).astype(np.uint8), run)
    across = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    down = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((run, 1), np.uint8))
    return bool(cv2.max(across, down).sum() >= STRAIGHT * mask.sum())


def _closes(piece: Piece, held: Sequence[Piece]) -> bool:
    """Whether nearly all of the ink of the others is in the holes of a piece."""
    paper = np.pad((piece.ink < LOW).astype(np.uint8), 1, constant_values=1)
    _, labels = cv2.connectedComponents(paper, connectivity=4)
    inside = total = 0
    for other in held:
        top, left = other.top - piece.top + 1, other.left - piece.left + 1
        own = other.ink >= LOW
        around = labels[top : top + other.height, left : left + other.width]
        inside += int((own & (around != labels[0, 0])).sum())
        total += int(own.sum())
    return inside > 0.9 * total
