"""Digits altered into forms that are rare in MNIST, or with marks beside them as on paper."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.synthetic.draw import FRACTION, Pictures
from digits.reading.patch import as_mnist

Picture = npt.NDArray[np.uint8]  # (28, 28), or a part of it


def alter(images: Pictures, labels: npt.NDArray[np.int64], random: np.random.RandomState) -> Pictures:
    """Each digit, uint8 (N, 28, 28), in another form of its class, widened, or with a mark beside it.

    A mark is a few specks, the edge of a neighbour or a ruled line.

    Half of the ones get a flag or a foot, half of the sevens a bar, half of the zeros a slash or a dot.
    """
    altered = np.empty_like(images)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        form = FORMS.get(int(label)) if random.rand() < 0.5 else None
        if form is None:
            kinds = BESIDE[:-1] if label == 7 else BESIDE  # a seven on a ruled line looks like a two
            changed = kinds[random.randint(len(kinds))](image, images[random.randint(len(images))], random)
        else:
            changed = form(image, random)
        altered[row] = as_mnist(changed)
    return altered


def stroke(image: Picture, points: list[tuple[float, float]], random: np.random.RandomState) -> Picture:
    """A copy with a line drawn through points (x, y), no thicker than most digits' strokes."""
    drawn: Picture = image.copy()
    ink = int(image.max())
    fixed = np.round(np.array(points) * (1 << FRACTION)).astype(np.int32)
    cv2.polylines(drawn, [fixed], False, ink, int(random.choice([1, 1, 2])), cv2.LINE_AA, FRACTION)
    return drawn


def box_of(image: Picture) -> tuple[int, int, int, int]:
    """The bounding box of the ink: left, top, right, bottom, inclusive."""
    columns, rows = np.flatnonzero(image.any(0)), np.flatnonzero(image.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def middle(image: Picture, row: int, border: int) -> float:
    """The mean x of the ink in a row, or in the row `border` where that row has none."""
    empty = not 0 <= row < len(image) or not image[row].any()
    return float(np.flatnonzero(image[border if empty else row]).mean())


def cross(image: Picture, random: np.random.RandomState) -> Picture:
    """A bar across the stem of a seven, at about half its height."""
    left, top, right, bottom = box_of(image)
    y = top + (bottom - top) * random.uniform(0.42, 0.62)
    row = image[round(y)].astype(np.float64)
    x = float(row @ np.arange(28)) / row.sum() if row.any() else (left + right) / 2
    half, tilt = random.uniform(3, 6.5), random.uniform(-2, 2)
    return stroke(image, [(x - half, y + tilt), (x + half, y - tilt)], random)


def slash(image: Picture, random: np.random.RandomState) -> Picture:
    """A slash through a zero, or a dot inside."""
    left, top, right, bottom = box_of(image)
    x, y = (left + right) / 2, (top + bottom) / 2
    if random.rand() < 0.2:
        return stroke(image, [(x, y), (x, y + 0.5)], random)
    reach = random.uniform(0.7, 1.25)
    across, up = (right - left + 3) / 2 * reach, (bottom - top) / 2 * reach * random.uniform(0.5, 1)
    return stroke(image, [(x + across, y - up), (x - across, y + up)], random)


def flag(image: Picture, random: np.random.RandomState) -> Picture:
    """A flag at the top of a one, up to the long European one, or a foot, or both."""
    _, top, _, bottom = box_of(image)
    high, low = middle(image, top + 1, top), middle(image, bottom - 1, bottom)
    kind = random.randint(4)
    if kind:
        out = random.uniform(3, 10)
        tip = (high - out, min(top + out * random.uniform(0.75, 1.6), bottom - 5.0))
        image = stroke(image, [(high, top + 1.0), tip], random)
    if kind % 2 == 0:
        half, tilt = random.uniform(2.5, 6), random.uniform(-1, 1)
        image = stroke(image, [(low - half, bottom - 0.5 + tilt), (low + half, bottom - 0.5 - tilt)], random)
    return image


FORMS = {0: slash, 1: flag, 7: cross}  # other forms, by class


def speck(image: Picture, _: Picture, random: np.random.RandomState) -> Picture:
    """One to three specks on or beside the digit, up to two pixels in size."""
    specked: Picture = image.copy()
    for _number in range(random.randint(1, 4)):
        x, y, size = random.randint(2, 25), random.randint(2, 25), random.randint(1, 3)
        specked[y : y + size, x : x + size] = random.randint(80, 256)
    return specked


def widen(image: Picture, _: Picture, random: np.random.RandomState) -> Picture:
    """The digit widened, as in scans that were fitted to a square box; narrow ones less."""
    left, top, right, bottom = box_of(image)
    ink = image[top : bottom + 1, left : right + 1]
    high, wide = ink.shape
    most = 0.6 if wide < 0.4 * high else 1.0
    widened = cv2.resize(ink, (max(wide, round(high * random.uniform(0.3, 1) * most)), high))
    return widened.astype(np.uint8, copy=False)


def chunk(image: Picture, neighbour: Picture, random: np.random.RandomState) -> Picture:
    """The edge of a neighbour beside the digit: up to three pixels wide, and too short to be a one."""
    left, _, right, _ = box_of(image)
    start, top, end, bottom = box_of(neighbour)
    width, gap = random.randint(1, 4), random.randint(-1, 3)
    lost = round((bottom - top + 1) * random.uniform(0.4, 0.8))
    neighbour = neighbour.copy()
    first = random.randint(lost + 1)
    neighbour[: top + first] = 0
    neighbour[bottom + 1 - lost + first :] = 0
    wide = np.zeros((28, 40), np.uint8)
    wide[:, 6:34] = image
    if random.rand() < 0.5:
        part, place = neighbour[:, start : start + width], 6 + right + 1 + gap
    else:
        part, place = neighbour[:, end - width + 1 : end + 1], 6 + left - gap - width
    place = max(place, 0)
    beside = wide[:, place : place + part.shape[1]]
    np.maximum(beside, part[:, : beside.shape[1]], out=beside)
    return wide


def rule(image: Picture, _: Picture, random: np.random.RandomState) -> Picture:
    """Part of a ruled line under the digit, or through its foot."""
    bottom = box_of(image)[3]
    y, tilt = bottom + random.uniform(-1, 2.5), random.uniform(-0.7, 0.7)
    start = random.uniform(0, 12)
    end = min(start + random.uniform(8, 27), 27)
    return stroke(image, [(start, y + tilt), (end, y - tilt)], random)


BESIDE = (widen, widen, speck, chunk, rule)  # one of them, at random, where a digit gets no other form
