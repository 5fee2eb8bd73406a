"""Lines of digits, letters, words and signs, at any angle, with any distance between the tokens.

What to write is given as a text, in which each character is a token:

    0-9  a digit (a target)         a-z A-Z  that letter        . , - + = : / ' ( ) × ÷  that sign
    @    a word                     ~        any letter         &    any sign or scribble
    ^    the next token small and raised     _    the next token small and lowered
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import NO_DIGIT, Ink, Page, Random, Writer
from digits.data.pages.stamps import pen
from digits.data.pages.stamps.stock import Stock

INK = 0.4  # a pixel of a stamp that has more ink belongs to a stroke
TAILS, TAIL = "gjpqy", 0.36  # letters that reach below the line, and how far, in heights of a digit
TOUCH = 1.5  # least overlap, in pixels, of strokes that are to touch, since places are rounded to pixels

SIGNS: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    ".": (((0, -0.03), (0.02, 0)),),
    ",": (((0.08, -0.1), (0.06, 0.02), (-0.03, 0.16)),),
    "'": (((0.05, -1), (0, -0.78)),),
    "-": (((0, -0.45), (0.38, -0.45)),),
    "+": (((0, -0.42), (0.5, -0.42)), ((0.25, -0.68), (0.25, -0.14))),
    "=": (((0, -0.54), (0.48, -0.54)), ((0, -0.3), (0.48, -0.3))),
    ":": (((0, -0.55), (0.02, -0.52)), ((0, -0.06), (0.02, -0.03))),
    "/": (((0.38, -1.05), (0, 0.12)),),
    "(": (((0.2, -1.1), (0.04, -0.75), (0, -0.45), (0.05, -0.1), (0.2, 0.15)),),
    ")": (((0, -1.1), (0.16, -0.75), (0.2, -0.45), (0.15, -0.1), (0, 0.15)),),
    "×": (((0, -0.62), (0.42, -0.16)), ((0.42, -0.64), (0, -0.14))),
    "÷": (((0, -0.4), (0.5, -0.4)), ((0.24, -0.68), (0.26, -0.66)), ((0.24, -0.14), (0.26, -0.12))),
}
"""Strokes of each sign: points x, y in heights of a digit; y is 0 on the line and positive below it."""


@dataclass
class Scribe:
    """A page, the stamps and the random generator to write it with, and how to cut and enlarge the written page."""

    page: Page
    stock: Stock
    random: Random
    cut: tuple[int, int, int, int] | None = None  # left, top, right, bottom: the part that is kept
    zoom: int = 1  # pixels of the picture for each of the page

    def at(self, turn: float, u: float, v: float) -> tuple[float, float]:
        """The point x, y at u along and v below lines turned by `turn`, counted from the middle of the page."""
        height, width = self.page.size
        return along((width / 2, height / 2), turn, u, v)

    def chance(self, share: float) -> bool:
        """True with the probability `share`."""
        return bool(self.random.random() < share)

    def between(self, low: float, high: float) -> float:
        """A number drawn uniformly from the range."""
        return float(self.random.uniform(low, high))

    def number(self, low: int, high: int) -> int:
        """An integer drawn uniformly from the range, both ends included."""
        return int(self.random.integers(low, high + 1))

    def free(self, turn: float, corner: tuple[float, float], sides: tuple[float, float]) -> float:
        """The share of a box, turned about the page's middle, that is on the page and not covered.

        `corner` is its left and top, from the page's middle; `sides` are its width and height.
        """
        (left, top), (wide, high), (height, width) = corner, sides, self.page.size
        u, v = np.meshgrid(left + wide * np.linspace(0, 1, 9), top + high * np.linspace(0, 1, 7))
        cos, sin = math.cos(turn), math.sin(turn)
        x, y = width / 2 + cos * u - sin * v, height / 2 + sin * u + cos * v
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return float((~self.page.covered[y[inside].astype(int), x[inside].astype(int)]).sum() / inside.size)


class Style(NamedTuple):
    """How the tokens of a line are placed beside each other; lengths are shares of the digits' height."""

    gap: tuple[float, float] = (0.1, 0.5)  # range of the gap between tokens; below zero: strokes touch or cross
    vary: float = 0.07  # standard deviation of the logarithm of the digits' sizes
    jitter: float = 0.05  # standard deviation of the place up and down
    kern: float = 0.3  # 0: the gap is between boxes; 1: between the strokes themselves
    wave: float = 0.0  # how far the line sways up and down
    nested: float = 0.3  # largest share of the narrower box that its neighbour's may overlap
    overlap: float = 0.15  # largest share of a stamp's box that other lines may have used
    cut: bool = False  # whether digits may reach over the page's edge


class Edges(NamedTuple):
    """Where a stamp's ink begins and ends in each row of pixels along the line, from the stamp's middle, in pixels."""

    left: npt.NDArray[np.float64]  # (N,): inf where there is no ink
    right: npt.NDArray[np.float64]  # (N,): -inf where there is no ink

    def foot(self) -> float:
        """The distance from the stamp's middle down to the end of the ink."""
        return float(np.flatnonzero(np.isfinite(self.left))[-1] + 1 - len(self.left) / 2)

    def width(self) -> float:
        """The length of the ink along the line."""
        return float(self.right.max() - self.left.min())


class Front:
    """How far the writing reaches in each row of pixels along a line, so that the next stamp can move up to the ink."""

    def __init__(self, rows: int) -> None:
        self.reach = np.full(rows, -np.inf)

    def rows(self, edges: Edges, v: float) -> slice:
        """The rows that a stamp covers whose middle is v below the line."""
        count = len(edges.left)
        top = round(v - count / 2) + len(self.reach) // 2
        top = min(max(top, 0), len(self.reach) - count)
        return slice(top, top + count)

    def free(self, edges: Edges, v: float, kern: float) -> float:
        """The place along the line where a stamp's middle has to be so that it just touches the writing so far.

        What touches is its box (`kern` 0), its strokes (1), or something in between. On an empty line it begins at 0.
        """
        boxes = self.reach.max() - edges.left.min()
        if not np.isfinite(boxes):
            return float(-edges.left.min())
        with np.errstate(invalid="ignore"):
            strokes = np.nan_to_num(self.reach[self.rows(edges, v)] - edges.left, nan=-np.inf).max()
        return float(boxes if not np.isfinite(strokes) else kern * strokes + (1 - kern) * boxes)

    def end(self) -> float:
        """The length of the line so far."""
        reach = float(self.reach.max())
        return reach if math.isfinite(reach) else 0.0

    def add(self, edges: Edges, u: float, v: float) -> None:
        """Add a stamp that was put with its middle at (u, v)."""
        rows = self.rows(edges, v)
        self.reach[rows] = np.maximum(self.reach[rows], edges.right + u)


def along(start: tuple[float, float], turn: float, u: float, v: float) -> tuple[float, float]:
    """The point x, y at u along and v below a line that begins at `start` and is turned by `turn`."""
    cos, sin = math.cos(turn), math.sin(turn)
    return start[0] + cos * u - sin * v, start[1] + sin * u + cos * v


def edges_of(stamp: Ink, turn: float) -> Edges:
    """The edges of a stamp's ink in the rows along a line turned by `turn`."""
    if abs(turn) > 0.01:
        high, wide = stamp.shape
        side = math.ceil(math.hypot(high, wide))
        matrix = cv2.getRotationMatrix2D((wide / 2 - 0.5, high / 2 - 0.5), math.degrees(turn), 1)
        matrix[:, 2] += (side - wide) / 2, (side - high) / 2
        stamp = np.asarray(cv2.warpAffine(stamp, matrix, (side, side)), np.float32)
    ink = stamp > INK
    if not ink.any():
        ink = np.ones_like(ink)
    full, middle = ink.any(axis=1), ink.shape[1] / 2
    left = np.where(full, ink.argmax(axis=1), np.inf) - middle
    right = np.where(full, ink.shape[1] - ink[:, ::-1].argmax(axis=1), -np.inf) - middle
    return Edges(left, right)


def sign(scribe: Scribe, writer: Writer, text: str) -> tuple[Ink, float]:
    """A sign of SIGNS as a stamp, and how far its middle is below the line, in pixels."""
    random, size = scribe.random, writer.height * scribe.between(0.85, 1.2)
    if text == ",":  # some people's comma is as long as a one
        size *= scribe.between(0.8, 2.2)
    strokes = [np.array(points) + random.normal(0, 0.02, (len(points), 2)) for points in SIGNS[text]]
    width = writer.pen * scribe.between(0.85, 1.25) * (1.3 if text in ".:" else 1)
    way = np.concatenate(strokes)
    middle = (way[:, 1].max() + way[:, 1].min()) / 2 * size
    return ink_of(way, [len(stroke) for stroke in strokes], size, width, writer), float(middle)


def ink_of(way: npt.NDArray[np.float64], lengths: list[int], size: float, width: float, writer: Writer) -> Ink:
    """The stamp of strokes through the points `way` (T, 2), in units of `size`.

    `lengths` has the number of points of each stroke.
    """
    ends = tuple(np.cumsum(lengths).tolist())
    return pen.draw(way.astype(np.float32), ends, size, max(1.0, width), pen.Hand(writer.turn, writer.slant))


def stamp_of(scribe: Scribe, writer: Writer, text: str) -> tuple[Ink, Edges, float]:
    """The stamp of a token, its edges along the line, and how far its middle is below the line, in pixels."""
    stock, random, height = scribe.stock, scribe.random, writer.height
    if text in SIGNS:
        stamp, below = sign(scribe, writer, text)
        return stamp, edges_of(stamp, writer.turn), below
    if text in "@&":
        stamp = stock.word(random, writer) if text == "@" else stock.symbol(random, writer)
        return stamp, edges_of(stamp, writer.turn), -height * scribe.between(0.3, 0.5)
    digit = text.isdigit()
    among = None if text == "~" else text
    stamp = stock.digit(random, int(text), writer) if digit else stock.letter(random, writer, among)
    edges = edges_of(stamp, writer.turn)
    return stamp, edges, (TAIL * height if text in TAILS else 0.0) - edges.foot()


def write_line(
    scribe: Scribe,
    writer: Writer,
    text: str,
    start: tuple[float, float],
    style: Style = Style(),  # noqa: B008 (a NamedTuple is immutable)
    line: int | None = None,
) -> float:
    """Write a text along a line that begins at `start` and has the writer's turn; returns its length in pixels.

    Its digits get the same line number, `line` or a new one, and are on the page in reading order. A token without room
    is left out; at the page's edge the line ends.
    """
    page, random, height = scribe.page, scribe.random, writer.height
    number = page.new_line() if line is None else line
    others, front = page.used.copy(), Front(4 * max(*page.size, math.ceil(height)))
    phase, wait, size, lift, before = random.uniform(0, 6), 0.0, 1.0, 0.0, 0.0
    for token in text:
        if token == " ":
            wait += height * random.uniform(0.35, 0.7)
            continue
        if token in "^_":
            size, lift = random.uniform(0.5, 0.7), 0.6 if token == "^" else -0.2
            continue
        scale = size * math.exp(random.normal(0, style.vary))
        hand = replace(writer, height=height * scale, pen=writer.pen * scale**0.5)
        stamp, edges, v = stamp_of(scribe, hand, token)
        high, wide = stamp.shape
        v += height * (random.normal(0, style.jitter) - lift)
        gap = height * random.uniform(*style.gap) * (1 if size == 1 else 0.5)
        gap = max(gap, -0.5 * wide)
        if wait or (gap < 0 and max(edges.width(), before) < 0.3 * height):  # overlapping ones would be one
            gap = max(gap, 0.06 * height)
        v += style.wave * height * math.sin(front.end() / (3 * height) + phase)
        x, y = along(start, writer.turn, wait + next_place(front, edges, v, gap, before, style), v)
        snap = math.floor if gap < 0 else round  # so that rounding never separates strokes that overlap
        left, top = snap(x - wide / 2), round(y - high / 2)
        if beyond(page, left, top, stamp):
            break
        label = int(token) if token.isdigit() else NO_DIGIT
        beside = others[max(0, top) : max(0, top + high), max(0, left) : max(0, left + wide)]
        if not beside.size or beside.mean() <= style.overlap:
            page.put(stamp, left + wide / 2, top + high / 2, label, line=number, overlap=None, cut=style.cut)
        x, y = left + wide / 2 - start[0], top + high / 2 - start[1]
        cos, sin = math.cos(writer.turn), math.sin(writer.turn)
        front.add(edges, cos * x + sin * y, cos * y - sin * x)
        wait, size, lift, before = 0.0, 1.0, 0.0, edges.width()
    return front.end()


def next_place(front: Front, edges: Edges, v: float, gap: float, before: float, style: Style) -> float:
    """The place along the line of the next stamp's middle, `gap` pixels after a stamp that is `before` pixels long."""
    boxes = front.free(edges, v, 0)
    if not before:
        return boxes
    strokes = front.free(edges, v, style.kern) + (min(gap, -TOUCH) if gap < 0 else gap)
    return max(strokes, boxes - style.nested * min(edges.width(), before))


def beyond(page: Page, left: int, top: int, stamp: Ink) -> bool:
    """Whether a stamp would be above or below the page, or a fifth of it or more beyond the page's right edge."""
    height, width = page.size
    high, wide = stamp.shape
    return left + 0.8 * wide > width or top + high < 0 or top > height


def fill(random: Random, pattern: str) -> str:
    """The pattern with each # replaced by a digit, drawn uniformly."""
    return "".join(str(random.integers(10)) if token == "#" else token for token in pattern)
