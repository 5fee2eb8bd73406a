"""The digits of a picture, each cut out with its surroundings: training pictures of one digit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.patch import BOX, SIDE, one_digit
from digits.reading.pictures import Picture
from digits.reading.result import Digit

Pixels = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Sides = npt.NDArray[np.float64]  # (4,): the extent on each side: -left, -top, right, bottom

LONGEST = 256  # longest side of a cutout in pixels: nine times the classifier's
MARGIN = (SIDE - BOX) / 2 / BOX  # around a digit, of its longer side: as on a patch


def cut(picture: Picture, digits: Sequence[Digit]) -> list[Pixels]:
    """Each digit with a margin, of the paper's colour beyond the picture's edge; at most LONGEST a side.

    The margin ends halfway to the next digit: the reader takes the surroundings of a file to be like its edge.
    """
    high, wide = picture.pixels.shape[:2]
    boxes = np.array([digit.box for digit in digits], np.float64).reshape(-1, 4)
    boxes *= np.array([wide / picture.width, high / picture.height] * 2)
    sides = np.hstack([-boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    return [_cut(picture.pixels, own, np.delete(sides, index, 0)) for index, own in enumerate(sides)]


def has_ink(part: Pixels) -> bool:
    """Whether training finds a digit on it: one file without ink would be a fault of the whole folder."""
    try:
        one_digit(np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8))
    except ValueError:
        return False
    return True


def as_png(part: Pixels) -> bytes:
    """The pixels as the content of a PNG file."""
    done, png = cv2.imencode(".png", cv2.cvtColor(part, cv2.COLOR_RGB2BGR))
    assert done
    return png.tobytes()


def _cut(pixels: Pixels, own: Sides, others: npt.NDArray[np.float64]) -> Pixels:
    margin = 1 + MARGIN * float((own[:2] + own[2:]).max())
    reach = own + margin
    begin = -others[:, [2, 3, 0, 1]]  # where each other digit begins, on each side
    for near in begin[(begin < reach).all(1)]:
        side = int(np.argmax(near - own))
        reach[side] = min(reach[side], max((own[side] + near[side]) / 2, own[side] + margin / 4))
    left, top, right, bottom = (sign * math.ceil(side) for sign, side in zip((-1, -1, 1, 1), reach, strict=True))
    high, wide = pixels.shape[:2]
    part = pixels[max(0, top) : bottom, max(0, left) : right]
    paper = np.median(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]), axis=0).tolist()
    beyond = max(0, -top), max(0, bottom - high), max(0, -left), max(0, right - wide)
    part = cv2.copyMakeBorder(part, *beyond, cv2.BORDER_CONSTANT, value=paper).astype(np.uint8, copy=False)
    if (factor := LONGEST / max(part.shape)) < 1:
        size = max(1, round(factor * part.shape[1])), max(1, round(factor * part.shape[0]))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return part
