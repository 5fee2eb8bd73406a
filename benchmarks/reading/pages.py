"""Pages made from digits that the reader's net was neither trained nor tested on, to choose the reader's constants by.

The digits are the 5,000 of MNIST's training file that the net's own data keep for validation; MNIST is looked for in
the folder DIGITS_DATA, else in data/. Constants are chosen by the pages of one seed, and the score is that of another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from benchmarks.reading import crops, scenes
from benchmarks.reading.ink import Digits, Ink, Pixels, write
from digits.data.datasets import read_dataset
from digits.data.split import stratified_split

KEPT, SPLIT_SEED = 5_000, 0
"""As conf/data/mnist.yaml has them."""
LONGEST = 1_100
"""Pixels of a photo's longer side, but for the large ones."""
PENS = (0.1, 0.1, 0.15), (0.1, 0.15, 0.5), (0.6, 0.1, 0.12), (0.35, 0.35, 0.36)


def kept_digits() -> Digits:
    """The validation digits, uint8 (5000, 28, 28), and their labels."""
    arrays = read_dataset("mnist", os.environ.get("DIGITS_DATA", "data"), None)
    rows = stratified_split(arrays.train_labels, KEPT, SPLIT_SEED)[1]
    return arrays.train_images[rows], arrays.train_labels[rows]


def made_pages(number: int, seed: int, digits: Digits | None = None) -> Iterator[tuple[str, Pixels, str]]:
    """`number` pages of each kind: the kind, RGB uint8 (H, W, 3), and what is written on it."""
    digits = digits or kept_digits()
    for index, (kind, make) in enumerate(KINDS.items()):
        for page in range(number):
            yield kind, *make(np.random.default_rng([seed, index, page]), digits)


# ---- Paper ------------------------------------------------------------------------------------------


def _canvas(random: np.random.Generator, ink: Ink) -> Pixels:
    """Drawn on a screen: black on white, or the reverse."""
    grey = (255 * (1 - ink)).astype(np.uint8)
    return np.repeat((255 - grey if random.random() < 0.4 else grey)[..., None], 3, 2)


def _photo(
    random: np.random.Generator,
    ink: Ink,
    ruled: float = 0.0,
    pale: tuple[float, float] = (0.75, 1.0),
    edge: float = 0.5,
    grain: tuple[float, float] = (0.003, 0.02),
    longest: int = LONGEST,
) -> Pixels:
    """Photographed: uneven light, a shadow with an edge in a share of them, paper, grain, JPEG.

    `ruled` is the distance of printed lines in pixels of `ink`, `pale` how much of the paper's light the ink takes.
    """
    if (factor := longest / max(ink.shape)) < 1:
        ink = cv2.resize(ink, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.float32)
    high, wide = ink.shape
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32) / max(high, wide)
    turn = random.uniform(0, 2 * np.pi)
    light = 1 - random.uniform(0, 0.5) * (np.cos(turn) * (x - 0.5) + np.sin(turn) * (y - 0.5) + 0.5)
    light *= 1 - random.uniform(0, 0.5) * ((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2
    if random.random() < edge:
        side = np.cos(turn + 1) * (x - random.uniform(0.2, 0.8)) + np.sin(turn + 1) * (y - random.uniform(0.2, 0.6))
        width = np.exp(random.uniform(np.log(0.0008), np.log(0.05)))
        light *= 1 - random.uniform(0.15, 0.45) / (1 + np.exp((-side / width).clip(-50, 50)))
    texture = cv2.GaussianBlur(random.normal(0, 1, (high, wide)).astype(np.float32), (0, 0), random.uniform(0.8, 3))
    colour = np.array([1, random.uniform(0.93, 1), random.uniform(0.85, 1)]) * random.uniform(0.6, 0.98)
    paper = colour * (1 + random.uniform(0, 0.03) * (texture / texture.std())[..., None])
    if ruled:
        step = max(8, int(ruled * min(1.0, factor)))
        print_ = np.array([0.75, 0.85, 0.97] if random.random() < 0.6 else [0.75] * 3)
        thick = max(1, step // 30)
        start = int(random.integers(step))
        for row in range(start, high, step):
            paper[row : row + thick] *= print_
        if random.random() < 0.5:
            for column in range(start, wide, step):
                paper[:, column : column + thick] *= print_
    covered = (ink * random.uniform(*pale))[..., None]
    seen = (paper * (1 - covered) + covered * np.array(PENS[int(random.integers(len(PENS)))])) * light[..., None]
    seen = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), random.uniform(0.4, 1.2))
    seen = seen + random.normal(0, random.uniform(*grain), seen.shape)
    pixels = (seen.clip(0, 1) * 255).astype(np.uint8)
    quality = int(random.integers(60, 95))
    _, packed = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)


# ---- Kinds ------------------------------------------------------------------------------------------


def _many(random: np.random.Generator, most: int = 3) -> list[int]:
    return [int(random.integers(2, 8)) for _ in range(int(random.integers(1, most + 1)))]


def _size(random: np.random.Generator) -> int:
    return int(random.integers(24, 110))


def _on_either(random: np.random.Generator, ink: Ink) -> Pixels:
    return _canvas(random, ink) if random.random() < 0.5 else _photo(random, ink)


def _one(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, [1], _size(random))
    return _photo(random, ink), text


def _patch(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, [1], int(random.integers(20, 40)), margin=(0.1, 0.5))
    return _canvas(random, ink), text


def _screen(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, _many(random), _size(random))
    return _canvas(random, ink), text


def _page(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, _many(random), _size(random), (0.15, 0.9), random.normal(0, 0.03))
    return _photo(random, ink), text


def _ruled(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    high = _size(random)
    ink, text = write(random, digits, _many(random), high)
    return _photo(random, ink, ruled=high * random.uniform(0.5, 1.5)), text


def _expression(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, [int(random.integers(3, 8))], _size(random), (0.15, 0.5), signs=True)
    return _on_either(random, ink), text


def _touching(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, [int(random.integers(2, 7))], _size(random), (0.05, 0.2), touch=(0.0, 0.06))
    return _on_either(random, ink), text


def _overlapping(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, [int(random.integers(2, 7))], _size(random), (0.05, 0.2), touch=(0.06, 0.14))
    return _on_either(random, ink), text


def _pale(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, _many(random, 2), _size(random))
    return _photo(random, ink, pale=(0.25, 0.45), grain=(0.003, 0.01)), text


def _shadow(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, _many(random, 2), _size(random))
    return _photo(random, ink, edge=1.0, grain=(0.01, 0.03)), text


def _small(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, _many(random, 2), int(random.integers(13, 22)), (0.2, 0.6))
    return _on_either(random, ink), text


def _large(random: np.random.Generator, digits: Digits) -> tuple[Pixels, str]:
    ink, text = write(random, digits, [int(random.integers(1, 5))], int(random.integers(300, 500)), (0.2, 0.6))
    return _photo(random, ink, longest=2000) if random.random() < 0.5 else _canvas(random, ink), text


def _blank(random: np.random.Generator, _: Digits) -> tuple[Pixels, str]:
    high, wide = (int(side) for side in random.integers(60, 900, 2))
    return _photo(random, np.zeros((high, wide), np.float32), grain=(0.003, 0.03)), ""


def _blank_ruled(random: np.random.Generator, _: Digits) -> tuple[Pixels, str]:
    high, wide = (int(side) for side in random.integers(200, 900, 2))
    return _photo(random, np.zeros((high, wide), np.float32), ruled=random.uniform(20, 90)), ""


KINDS: dict[str, Callable[[np.random.Generator, Digits], tuple[Pixels, str]]] = {
    "one digit, photographed": _one,
    "one digit, small and drawn": _patch,
    "lines on a screen": _screen,
    "lines, photographed": _page,
    "ruled and squared paper": _ruled,
    "expressions": _expression,
    "strings, some touching": _touching,
    "strings, some overlapping": _overlapping,
    "pale ink": _pale,
    "shadow's edge and grain": _shadow,
    "13 to 21 pixels high": _small,
    "300 to 500 pixels high": _large,
    "blank": _blank,
    "blank, ruled or squared": _blank_ruled,
    **crops.KINDS,
    **scenes.KINDS,
}
