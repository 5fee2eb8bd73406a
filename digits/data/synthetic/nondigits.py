"""Images of non-digits that a digit reader meets and must reject: signs, several digits, halves of digits, blots."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.synthetic.alter import Picture, box_of
from digits.data.synthetic.draw import Pictures, draw_symbols
from digits.reading.patch import as_mnist

LEFT, TOP, BOTTOM = "left", "top", "bottom"

HALVES = {0: (LEFT, TOP, BOTTOM), 5: (TOP,)}
"""By class, the halves that certainly don't look like a digit.

Other halves may: the right half of an 8 looks like a 3, the lower half of a 4 like a 1, that of a 2 nearly like a 7.
"""

WIDE = 17  # least width in pixels of a digit to be halved: half of a narrower one is a stick, as a 1 is
SHARES = {"symbols": 0.42, "several": 0.34, "halves": 0.08, "blots": 0.16}  # shares of the generated images


def make_nondigits(
    images: Pictures, labels: npt.NDArray[np.int64], number: int, random: np.random.RandomState
) -> Pictures:
    """`number` images, uint8 (N, 28, 28), of no digit or of several; halves and groups are made of the given digits."""
    several, halves, blots = (round(number * SHARES[kind]) for kind in ("several", "halves", "blots"))
    cuttable = np.flatnonzero(np.isin(labels, list(HALVES)) & (images.any(1).sum(1) >= WIDE))
    halves = halves if len(cuttable) else 0
    together = [random.randint(len(images), size=random.choice([2, 2, 2, 3])) for _ in range(several)]
    made = [
        *(beside(images[rows], random) for rows in together),
        *(half(images[row], int(labels[row]), random) for row in random.choice(cuttable, halves)),
        *(blot(random) for _ in range(blots)),
    ]
    symbols = draw_symbols(number - len(made), random)
    return np.concatenate([symbols, np.array([as_mnist(picture) for picture in made], np.uint8).reshape(-1, 28, 28)])


def beside(images: Pictures, random: np.random.RandomState) -> Picture:
    """A picture of digits side by side, touching or nearly so."""
    canvas = np.zeros((44, 28 * len(images) + 8), np.uint8)
    x = 2
    for image in images:
        left, top, right, bottom = box_of(image)
        ink = (image[top : bottom + 1, left : right + 1] * (255 / image.max())).astype(np.uint8)  # all equally bright
        if random.rand() < 0.5:
            size = random.uniform(0.7, 1.25)
            ink = cv2.resize(ink, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
        high, wide = ink.shape
        y = random.randint(4, 11)
        part = canvas[y : y + high, x : x + wide]
        np.maximum(part, ink[: part.shape[0], : part.shape[1]], out=part)
        x += wide + random.randint(-2, 5)
    return canvas


def half(image: Picture, label: int, random: np.random.RandomState) -> Picture:
    """About half of a digit: one of the halves of HALVES, which don't look like a digit."""
    left, top, right, bottom = box_of(image)
    side = HALVES[label][random.randint(len(HALVES[label]))]
    share = random.uniform(0.35, 0.48)
    wide, high = max(2, round((right - left + 1) * share)), max(2, round((bottom - top + 1) * share))
    columns = slice(left, left + wide) if side == LEFT else slice(None)
    rows = {TOP: slice(top, top + high), BOTTOM: slice(bottom + 1 - high, bottom + 1)}.get(side, slice(None))
    part = image[rows, columns]
    return part if part.max() > 60 else image[top : top + 3]


def blot(random: np.random.RandomState) -> Picture:
    """A blot, specks, the grain of paper, a ruled line or a smear, uint8 (60, 60)."""
    kind = random.randint(5)
    canvas = np.zeros((60, 60), np.uint8)
    if kind == 0:  # a filled spot, round or square
        up = random.uniform(6, 16)
        across = up * random.uniform(0.9, 2)
        if random.rand() < 0.5:
            cv2.ellipse(canvas, ((30, 30), (across, up), random.uniform(-20, 20)), 255, -1, cv2.LINE_AA)
        else:
            canvas[30 : 30 + round(up), 20 : 20 + round(across)] = 255
    elif kind == 1:  # several specks
        for x, y in random.randint(6, 54, (random.randint(2, 7), 2)).tolist():
            cv2.circle(canvas, (x, y), int(random.randint(1, 6)), int(random.randint(90, 256)), -1, cv2.LINE_AA)
    elif kind == 2:  # the grain of paper
        noise = cv2.GaussianBlur(random.randn(60, 60), (0, 0), random.uniform(1, 7))
        ink = (noise / noise.std() - random.uniform(0, 1)) * random.uniform(0.5, 3)
        canvas = (255 * ink.clip(0, 1)).astype(np.uint8)
    elif kind == 3:  # part of a ruled line
        slope = random.uniform(-0.2, 0.2) * 25
        cv2.line(canvas, (5, round(30 + slope)), (55, round(30 - slope)), 255, int(random.randint(1, 12)), cv2.LINE_AA)
    else:  # a smear
        for _ in range(random.randint(5, 10)):
            (x, y), (u, v) = random.randint(5, 55, (2, 2)).tolist()
            cv2.line(canvas, (x, y), (u, v), int(random.randint(60, 256)), int(random.randint(1, 7)), cv2.LINE_AA)
    canvas[30, 30] = max(int(canvas[30, 30]), 1)  # never empty: an empty picture could not be scaled
    return canvas
