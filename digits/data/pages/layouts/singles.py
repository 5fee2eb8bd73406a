"""Pictures of one digit or two: small and large, thin, cut out along their ink, tiny ones, and drawings of pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from digits.data.pages.layouts.strings import cut_to_ink
from digits.data.pages.layouts.writing import Scribe
from digits.data.pages.page import NO_DIGIT, Ink, Writer
from digits.data.pages.paper.light import log_uniform

MNIST = 28  # pixels of a side of its images


def fitted(stamp: Ink, high: float, wide: float) -> Ink:
    """A stamp, made smaller if needed to fit these sides."""
    scale = min(1.0, high / stamp.shape[0], wide / stamp.shape[1])
    if scale == 1:
        return stamp
    sides = max(1, int(stamp.shape[1] * scale)), max(1, int(stamp.shape[0] * scale))
    return np.asarray(cv2.resize(stamp, sides, interpolation=cv2.INTER_AREA), np.float32)


def place(scribe: Scribe, stamp: Ink, label: int | None, begin: float = 0.0, end: float = 1.0, line: int = -1) -> None:
    """Put a stamp anywhere between two shares of the page's width, more often in the middle."""
    height, width = scribe.page.size
    stamp = fitted(stamp, height, width * (end - begin))
    high, wide = stamp.shape
    left = width * begin + max(0.0, width * (end - begin) - wide) * scribe.random.beta(2, 2)
    top = max(0, height - high) * scribe.random.beta(2, 2)
    scribe.page.put(stamp, int(left) + wide / 2, int(top) + high / 2, label, line=line, overlap=None)


def put_digit(scribe: Scribe, writer: Writer, begin: float = 0.0, end: float = 1.0) -> None:
    """Put a digit, uniformly drawn, between two shares of the page's width; on line 0, which is made if needed."""
    label = scribe.number(0, 9)
    line = 0 if scribe.page.next_line else scribe.page.new_line()
    place(scribe, scribe.stock.digit(scribe.random, label, writer), label, begin, end, line)


def alone(scribe: Scribe, low: float, high: float) -> Writer:
    """A writer of one digit that takes from `low` to `high` of the page."""
    size = max(8.0, min(scribe.page.size) * scribe.between(low, high))
    return scribe.stock.new_writer(scribe.random, size, float(scribe.random.normal(0, 0.08)))


def write_single(scribe: Scribe) -> None:
    """One digit on a picture of any size, from an eighth of it to all."""
    writer = alone(scribe, 0.12, 0.5) if min(scribe.page.size) > 100 and scribe.chance(0.5) else alone(scribe, 0.4, 1)
    put_digit(scribe, writer)


def write_cut_single(scribe: Scribe) -> None:
    """One digit, cut out along its ink."""
    put_digit(scribe, alone(scribe, 0.3, 0.9))
    cut_to_ink(scribe)


def write_thin(scribe: Scribe) -> None:
    """Large digits by a thin pen: no part of them is a digit."""
    height = scribe.page.size[0]
    count = int(scribe.random.choice([1, 1, 1, 2, 3]))
    size = height * scribe.between(0.4, 0.95)
    writer = scribe.stock.new_writer(scribe.random, size, float(scribe.random.normal(0, 0.06)))
    share = log_uniform(scribe.random, 0.008, 0.05)
    kinds = (0.0, 0.0, 1.0, 0.0) if share < 0.035 else (0.7, 0.0, 0.3, 0.0)  # skeletons of thinner ones would have gaps
    writer = replace(writer, pen=max(1.0, size * share), kinds=kinds)
    for part in range(count):
        put_digit(scribe, writer, part / count, (part + 1) / count)


def write_mnist(scribe: Scribe) -> None:
    """MNIST's own form: 20 pixels high, grey, the middle of its ink in the middle of 28 by 28."""
    put_mnist(scribe, mnist_writer(scribe), scribe.page.new_line())
    if scribe.chance(0.25):
        cut_to_ink(scribe)


def write_mnist_row(scribe: Scribe) -> None:
    """MNIST's images side by side: the simplest way to make numbers from the data set."""
    writer, line = mnist_writer(scribe), scribe.page.new_line()
    for left in range(0, scribe.page.size[1], MNIST):
        put_mnist(scribe, writer, line, left)


def mnist_writer(scribe: Scribe) -> Writer:
    """A writer of MNIST's own digits, or of drawn ones of the same size."""
    kinds = (0.0, 1.0, 0.0, 0.0) if scribe.chance(0.6) else (0.5, 0.0, 0.5, 0.0)
    return replace(scribe.stock.new_writer(scribe.random, 20.0, 0.0), kinds=kinds)


def put_mnist(scribe: Scribe, writer: Writer, line: int, begin: int = 0) -> None:
    """Put a digit as in MNIST on the 28 pixels from `begin` on."""
    label = scribe.number(0, 9)
    stamp = fitted(scribe.stock.digit(scribe.random, label, writer), 20, 20)
    high, wide = stamp.shape
    mass = float(stamp.sum())
    x = float(stamp.sum(axis=0) @ np.arange(wide)) / mass
    y = float(stamp.sum(axis=1) @ np.arange(high)) / mass
    left, top = (min(max(0, round(MNIST / 2 - at)), MNIST - side) for at, side in ((x, wide), (y, high)))
    scribe.page.put(stamp, begin + left + wide / 2, top + high / 2, label, line=line, overlap=None)


def write_tiny(scribe: Scribe) -> None:
    """A digit or two on a picture of a few pixels."""
    height, width = scribe.page.size
    count = 2 if width >= 1.4 * height or (height >= 40 and scribe.chance(0.2)) else 1
    for part in range(count):
        put_digit(scribe, alone(scribe, 0.45, 0.98), part / count, (part + 1) / count)


def write_pixels(scribe: Scribe) -> None:
    """A digit or a few drawn on a canvas of few pixels, which may be shown enlarged."""
    height, width = scribe.page.size
    count = max(1, min(width // max(height * 2 // 3, 8), 4)) if scribe.chance(0.3) else 1
    for part in range(count):
        label = scribe.number(0, 9)
        line = 0 if scribe.page.next_line else scribe.page.new_line()
        stamp = scribe.stock.pixel_digit(scribe.random, label)
        place(scribe, stamp, label, part / count, (part + 1) / count, line)
    enlarge(scribe)


def write_pixel_letters(scribe: Scribe) -> None:
    """A letter or two, drawn on a canvas of few pixels."""
    height, _ = scribe.page.size
    count = 2 if scribe.chance(0.15) else 1
    for part in range(count):
        writer = scribe.stock.new_writer(scribe.random, height * scribe.between(0.4, 0.9), 0.0)
        thin = replace(writer, pen=scribe.between(1, 2.2))
        kind = scribe.stock.letter if scribe.chance(0.75) else scribe.stock.symbol
        stamp = kind(scribe.random, thin)
        stamp = (fitted(stamp, height, scribe.page.size[1] / count) > 0.5).astype(np.float32)
        place(scribe, stamp, NO_DIGIT, part / count, (part + 1) / count)
    enlarge(scribe)


def enlarge(scribe: Scribe) -> None:
    """Show each pixel of the page as several of the picture, for half of the pages."""
    most = 384 // max(scribe.page.size)
    if most > 1 and scribe.chance(0.5):
        scribe.zoom = scribe.number(2, min(most, 12))
