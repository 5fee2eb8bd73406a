"""Drawings of pages with the digits found on them, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import UNCLEAR, Grey
from digits.evaluating.pages import NONE, PageScore, worst_first
from digits.plots.theme import ACCENT, BLUE, rgb

Picture: TypeAlias = npt.NDArray[np.uint8]  # (H, W, 3), RGB

RIGHT, WRONG, MISSED, FAINT = rgb(BLUE), rgb(ACCENT), (224, 142, 11), (150, 150, 150)
"""Colours of a digit read correctly, of a wrong or false one, of a missed one, and of one that does not count."""

GAP = 6  # pixels between pages
SHOWN, COLUMNS = 12, 4  # pages of a drawing, in all and per row
CARD_SHOWN, CARD_COLUMNS = 6, 2  # the same on a card of TensorBoard
CARD = 500  # width of a card in pixels


def pictures(scores: Sequence[PageScore], *, card: bool = False) -> dict[str, Picture]:
    """The first pages with the digits found on them, and the pages with the most faults, by name.

    For a card of TensorBoard there are fewer, each scaled, so that the drawing is at most 500 pixels wide.
    """
    shown, columns, side = (CARD_SHOWN, CARD_COLUMNS, card_side(CARD_COLUMNS)) if card else (SHOWN, COLUMNS, None)
    chosen = {"pages": scores[:shown], "worst_pages": worst_first(scores)[:shown]}
    return {name: side_by_side([judged(score, side) for score in some], columns) for name, some in chosen.items()}


def card_side(columns: int) -> int:
    """The longer side, in pixels, of each of so many drawings beside each other on a card of TensorBoard."""
    return CARD // columns - GAP


def judged(score: PageScore, side: int | None = None) -> Picture:
    """A page with a box, and the class above it, for each digit found and each digit missed.

    `side` is the longer side of the drawing in pixels; None: the page's own.
    """
    picture, scale = _scaled(score.page.pixels, side)
    found, missed = score.found, set(range(len(score.page.labels))) - set(score.matches.tolist())
    for row in sorted(missed):
        unclear = score.page.labels[row] == UNCLEAR
        text = "" if unclear else str(score.page.labels[row])
        _box(picture, scale * score.page.boxes[row], FAINT if unclear else MISSED, text)
    classes = found.probabilities.argmax(1).tolist()
    for box, predicted, label in zip(found.boxes, classes, score.true_labels.tolist(), strict=True):
        colour = FAINT if label == UNCLEAR else RIGHT if predicted == label else WRONG
        text = f"{predicted}" if label in (predicted, NONE, UNCLEAR) else f"{predicted} not {label}"
        _box(picture, scale * box, colour, text)
    return picture


def labelled(
    pixels: Grey, boxes: npt.NDArray[np.float32], labels: npt.NDArray[np.integer], side: int | None = None
) -> Picture:
    """A page, or a crop of one, with its digits' boxes (n, 4) and classes (n,); `side` as for `judged`."""
    picture, scale = _scaled(pixels, side)
    for box, label in zip(boxes, labels.tolist(), strict=True):
        _box(picture, scale * box, FAINT if label == UNCLEAR else RIGHT, "" if label == UNCLEAR else str(label))
    return picture


def side_by_side(pictures: Sequence[Picture], columns: int) -> Picture:
    """Drawings in rows, the first at the top left; each in a cell as large as the largest, on white."""
    high, wide = (max(picture.shape[axis] for picture in pictures) + GAP for axis in (0, 1))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * high, min(columns, len(pictures)) * wide, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * high, i % columns * wide
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def png(picture: Picture) -> bytes:
    """A drawing as a PNG file's content."""
    _, content = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return content.tobytes()


def _scaled(pixels: Grey, side: int | None) -> tuple[Picture, float]:
    """Pixels in three channels, their longer side as given, and the factor by which they were scaled."""
    scale = 1.0 if side is None else side / max(pixels.shape)
    if scale != 1:
        size = [max(1, round(scale * length)) for length in reversed(pixels.shape)]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(pixels, size, interpolation=how).astype(np.uint8, copy=False)
    return np.repeat(pixels[..., None], 3, axis=2), scale


def _box(picture: Picture, box: npt.NDArray[np.float32], colour: tuple[int, int, int], text: str) -> None:
    x, y, wide, high = box.tolist()
    corners = [(round(x - wide / 2) - 2, round(y - high / 2) - 2), (round(x + wide / 2) + 1, round(y + high / 2) + 1)]
    cv2.rectangle(picture, corners[0], corners[1], colour, 1)
    left, top = corners[0]
    cv2.putText(picture, text, (left, max(9, top - 2)), cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, 1, cv2.LINE_AA)
