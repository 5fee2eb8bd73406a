"""Single digits as other data sets hold them: cut out along their own ink, or placed anyhow, on very few pixels.

Made of the same digits as `benchmarks.reading.pages`, of which this is a part.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.reading.ink import Digits, Ink, Pixels, write

Made = tuple[Pixels, str]


def _drawn(random: np.random.Generator, digits: Digits, side: int, thick: float, keep: float = 1.0) -> tuple[Ink, str]:
    """A digit along its own box, the longer side of it `side` pixels, and its label.

    Its strokes are wider than MNIST's by about `thick`, of its size; `keep` 0 stretches it to a square.
    """
    while True:
        chosen = int(random.integers(len(digits[0])))
        large = cv2.resize(digits[0][chosen], (224, 224), interpolation=cv2.INTER_CUBIC)
        if pen := round(thick * 160):
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (abs(pen) | 1, abs(pen) | 1))
            large = (cv2.dilate if pen > 0 else cv2.erode)(large, kernel)
        inked = large > 90
        rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
        if len(rows) < 80:  # a one that lies down, or nothing left
            continue
        part = large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255
        size = [max(2, round(side * (length / max(part.shape)) ** keep)) for length in part.shape]
        return cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_AREA), str(digits[1][chosen])


def _shown(random: np.random.Generator, ink: Ink) -> Pixels:
    """Light on dark or the reverse."""
    grey = (255 * ink.clip(0, 1)).astype(np.uint8)
    return np.repeat((255 - grey if random.random() < 0.5 else grey)[..., None], 3, 2)


def _square(ink: Ink, side: int) -> Ink:
    """In the middle of a square; narrow digits so have paper on two sides."""
    high, wide = side - len(ink), side - ink.shape[1]
    return np.pad(ink, ((high // 2, high - high // 2), (wide // 2, wide - wide // 2)))


def _frame(random: np.random.Generator, digits: Digits) -> Made:
    """16 x 16 pixels, filled from top to bottom or from side to side, with narrow strokes or wide ones."""
    ink, text = _drawn(random, digits, 16, random.uniform(-0.02, 0.1))
    return _shown(random, _square(ink, 16)), text


def _enlarged_frame(random: np.random.Generator, digits: Digits) -> Made:
    """The same enlarged four times, with steps or smoothly."""
    ink, text = _drawn(random, digits, 16, random.uniform(-0.02, 0.1))
    how = cv2.INTER_NEAREST if random.random() < 0.5 else cv2.INTER_LINEAR
    return _shown(random, cv2.resize(_square(ink, 16), (64, 64), interpolation=how).astype(np.float32)), text


def _stretched_frame(random: np.random.Generator, digits: Digits) -> Made:
    """16 to 64 pixels square, whose ink reaches all four sides; enlarged or not."""
    ink, text = _drawn(
        random, digits, int(random.integers(16, 33)), random.uniform(-0.02, 0.08), random.uniform(0, 0.6)
    )
    factor = int(random.integers(1, 3))
    return _shown(random, np.kron(ink, np.ones((factor, factor), np.float32))), text


def _cropped(random: np.random.Generator, digits: Digits) -> Made:
    """20 to 300 pixels, cut out along the digit's box to the pixel or with few pixels more."""
    side = int(np.exp(random.uniform(np.log(20), np.log(300))))
    ink, text = _drawn(random, digits, side, random.uniform(-0.02, 0.08))
    return _shown(random, np.pad(ink, int(random.integers(0, 3)))), text


def _bold(random: np.random.Generator, digits: Digits) -> Made:
    """Cut out along the digit's box, with strokes so wide that there is more ink than paper in many."""
    side = int(np.exp(random.uniform(np.log(16), np.log(200))))
    ink, text = _drawn(random, digits, side, random.uniform(0.08, 0.16), random.uniform(0.6, 1))
    return _shown(random, np.pad(ink, int(random.integers(0, 2)))), text


def _anyhow(random: np.random.Generator, digits: Digits) -> Made:
    """28 x 28 pixels, the digit of any size and place, up to the edge; its ink uneven, specks here and there."""
    ink, text = _drawn(random, digits, int(random.integers(17, 29)), random.uniform(-0.03, 0.05))
    high, wide = 28 - len(ink), 28 - ink.shape[1]
    top, left = int(random.integers(high + 1)), int(random.integers(wide + 1))
    ink = np.pad(ink, ((top, high - top), (left, wide - left)))
    uneven = cv2.GaussianBlur(random.normal(0, 1, (28, 28)).astype(np.float32), (0, 0), 4)
    ink = ink * (1 - random.uniform(0, 0.4) * (uneven / np.abs(uneven).max()).clip(0, 1))
    rest = random.normal(0, 0.06, ink.shape) * (random.random(ink.shape) < 0.05)
    return _shown(random, (ink + rest * (random.random() < 0.3)).astype(np.float32)), text


def _cropped_line(random: np.random.Generator, digits: Digits) -> Made:
    """Two or three digits side by side, cut out along their box: not to be taken for one."""
    high = int(random.integers(20, 90))
    ink, text = write(random, digits, [int(random.integers(2, 4))], high, (0.05, 0.2), margin=(0.0, 3 / high))
    return _shown(random, ink), text


KINDS: dict[str, Callable[[np.random.Generator, Digits], Made]] = {
    "16 x 16 pixels, filled": _frame,
    "the same, enlarged": _enlarged_frame,
    "stretched to a square": _stretched_frame,
    "cut out along its box": _cropped,
    "the same, very bold": _bold,
    "28 x 28 pixels, anyhow": _anyhow,
    "a line cut out along its box": _cropped_line,
}
