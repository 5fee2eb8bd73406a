"""Columns of numbers, tables and forms: their print, and what is filled in by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from digits.data.pages.layouts.strings import amount, someone, style_of
from digits.data.pages.layouts.writing import Scribe, fill, ink_of, write_line
from digits.data.pages.page import Ink, Writer

TICKS = (
    ((0.0, 0.55), (0.3, 1.0), (0.9, 0.0)),
    ((0.0, 0.0), (1.0, 1.0), (math.nan, math.nan), (0.95, 0.0), (0.05, 1.0)),
    ((0.0, 0.6), (0.25, 0.9), (1.1, -0.3)),
)
"""Strokes of ticks and crosses in shares of a box's side; NaN between strokes."""


class Ruler:
    """Draws straight lines, turned about the page's middle, printed or by hand."""

    def __init__(self, scribe: Scribe, turn: float, thickness: int, layer: Ink) -> None:
        self.scribe, self.turn, self.thickness = scribe, turn, thickness
        self.layer = layer
        self.canvas = np.zeros(layer.shape, np.uint8)

    def line(self, u0: float, v0: float, u1: float, v1: float) -> None:
        """Draw a line from one point to another, both along and below the middle."""
        ends = [tuple(round(16 * side) for side in self.scribe.at(self.turn, u, v)) for u, v in ((u0, v0), (u1, v1))]
        cv2.line(self.canvas, ends[0], ends[1], 255, self.thickness, cv2.LINE_AA, 4)

    def box(self, u0: float, v0: float, u1: float, v1: float) -> None:
        """Draw the four sides of a box."""
        for start, end in (((u0, v0), (u1, v0)), ((u1, v0), (u1, v1)), ((u1, v1), (u0, v1)), ((u0, v1), (u0, v0))):
            self.line(*start, *end)

    def finish(self, strength: float = 1.0) -> None:
        """Put what was drawn on the page."""
        drawn = self.canvas.astype(np.float32) * np.float32(strength / 255)
        np.maximum(self.layer, drawn, out=self.layer)


def ruler(scribe: Scribe, writer: Writer, by_hand: float) -> Ruler:
    """A ruler with a printer's line width or, in the share `by_hand`, the writer's."""
    turn = writer.turn + float(scribe.random.normal(0, 0.006))
    if scribe.chance(by_hand):
        return Ruler(scribe, turn, max(1, round(writer.pen * scribe.between(0.4, 1))), scribe.page.ink)
    return Ruler(scribe, turn, int(scribe.random.choice([1, 1, 1, 2, 3])), scribe.page.printed)


def write_columns(scribe: Scribe) -> None:
    """Two or three columns of numbers; the lines of a column are numbered before those of the next."""
    writer = someone(scribe, 14, 44)
    height, width = scribe.page.size
    size, count = writer.height, scribe.number(2, 3)
    pitch, style = size * scribe.between(1.3, 2.2), style_of(scribe, 0.06, 0.3)
    rows = min(scribe.number(2, 12), int((height - size) / pitch))
    share = width * scribe.between(0.85, 0.98) / count
    digits = max(1, min(scribe.number(1, 6), int((share - 1.2 * size) / (0.95 * size))))
    top = -height / 2 + 1.1 * size + scribe.between(0, max(1.0, height - pitch * rows - size))
    to_right = scribe.chance(0.6)
    parted = ruler(scribe, writer, 0.5)
    for column in range(count):
        u = -share * count / 2 + column * share + scribe.between(0.2, 0.5) * size
        if column and scribe.chance(0.3):
            parted.line(u - 0.5 * size, top - 1.3 * size, u - 0.5 * size, top + rows * pitch)
        for row in range(rows):
            number = scribe.number(1, digits)
            shift = (digits - number) * 0.85 * size if to_right else 0.0
            start = scribe.at(writer.turn, u + shift, top + row * pitch)
            write_line(scribe, writer, fill(scribe.random, "#" * number), start, style)
    parted.finish()


def cell_text(scribe: Scribe, most: int, words: float) -> str:
    """The text of a cell: up to `most` digits, or a word."""
    if scribe.chance(words):
        return "@" if scribe.chance(0.6) else "~"
    if scribe.chance(0.06) and most >= 3:
        return fill(scribe.random, str(scribe.random.choice(["#.#", "#,#", "##-", "#:#"])))
    return fill(scribe.random, "#" * scribe.number(1, most))


def write_table(scribe: Scribe) -> None:
    """A table with all of its ruled lines, some or none; a row is a text line."""
    writer = someone(scribe, 14, 48)
    height, width = scribe.page.size
    size = writer.height
    wide, high = size * scribe.between(1.3, 3.6), size * scribe.between(1.2, 2.4)
    columns = scribe.number(1, max(1, min(10, int(0.97 * width / wide))))
    rows = scribe.number(1, max(1, min(14, int(0.97 * height / high))))
    u0 = -columns * wide / 2 + scribe.between(-0.4, 0.4) * max(0.0, width - columns * wide)
    v0 = -rows * high / 2 + scribe.between(-0.4, 0.4) * max(0.0, height - rows * high)
    draw_grid(scribe, writer, (u0, v0), (columns, rows), (wide, high))
    most = max(1, int((wide - 0.3 * size) / (0.8 * size)))
    empty, words, style = scribe.between(0, 0.5), scribe.between(0, 0.15), style_of(scribe, 0.04, 0.2)
    for row in range(rows):
        line = scribe.page.new_line()
        v = v0 + (row + 1) * high - (high - size) * scribe.between(0.15, 0.85)
        for column in range(columns):
            if not scribe.chance(empty):
                start = scribe.at(writer.turn, u0 + column * wide + scribe.between(0.1, 0.3) * size, v)
                write_line(scribe, writer, cell_text(scribe, most, words), start, style._replace(overlap=0.25), line)


def draw_grid(
    scribe: Scribe,
    writer: Writer,
    corner: tuple[float, float],
    count: tuple[int, int],
    cell: tuple[float, float],
) -> None:
    """Draw the ruled lines of a table: shares of those across and of the upright ones are drawn."""
    (u0, v0), (columns, rows), (wide, high) = corner, count, cell
    drawn = ruler(scribe, writer, 0.25)
    across, upright = (float(scribe.random.choice([0, 0.5, 1, 1])) for _ in range(2))
    for row in range(rows + 1):
        if scribe.chance(across):
            drawn.line(u0, v0 + row * high, u0 + columns * wide, v0 + row * high)
    for column in range(columns + 1):
        if scribe.chance(upright):
            drawn.line(u0 + column * wide, v0, u0 + column * wide, v0 + rows * high)
    drawn.finish(scribe.between(0.4, 1))


def write_form(scribe: Scribe) -> None:
    """Rows of a form: a printed label, then boxes for digits, a line for an amount, or a box to tick."""
    writer = someone(scribe, 14, 46)
    height, width = scribe.page.size
    size, drawn = writer.height, ruler(scribe, writer, 0.05)
    side = size * scribe.between(1.1, 1.7)
    v, step = -height / 2 + size * scribe.between(0.5, 2), side * scribe.between(1.2, 2.2)
    labels = scribe.between(0, 1)
    while v + side < height / 2:
        u = -width / 2 * scribe.between(0.8, 0.97)
        if scribe.chance(labels):
            u = print_label(scribe, writer, u, v + side / 2) + 0.4 * size
        kind = scribe.random.random()
        if kind < 0.6:
            write_boxes(scribe, writer, drawn, (u, v), side)
        elif kind < 0.8:
            drawn.line(u, v + side, u + size * scribe.between(4, 8), v + side)
            start = scribe.at(writer.turn, u + 0.3 * size, v + side - scribe.between(0.02, 0.25) * size)
            write_line(scribe, writer, amount(scribe), start, style_of(scribe, 0.02, 0.3))
        else:
            for _ in range(scribe.number(1, 4)):
                drawn.box(u, v, u + 0.8 * side, v + 0.8 * side)
                if scribe.chance(0.5):
                    tick(scribe, writer, (u + 0.4 * side, v + 0.4 * side), 0.8 * side)
                u = print_label(scribe, writer, u + side, v + side / 2) + 0.5 * size
        v += step
    drawn.finish(scribe.between(0.4, 1))


def print_label(scribe: Scribe, writer: Writer, u: float, v: float) -> float:
    """Print text from a place along the middle of a row; returns where it ends."""
    height = max(7.0, writer.height * scribe.between(0.3, 0.7))
    stamp = scribe.stock.text(scribe.random, height)
    width = scribe.page.size[1]
    stamp = stamp[:, : max(4, int(0.4 * width))]
    x, y = scribe.at(writer.turn, u + stamp.shape[1] / 2, v)
    scribe.page.put(stamp, x, y, overlap=0.1, printed=True)
    return u + float(stamp.shape[1])


def write_boxes(scribe: Scribe, writer: Writer, drawn: Ruler, place: tuple[float, float], side: float) -> None:
    """A row of boxes with a digit in each, or combs; some are empty."""
    (u, v), width = place, scribe.page.size[1]
    wide = side * scribe.between(0.8, 1.1)
    count = min(scribe.number(2, 10), max(1, int((width / 2 - u) / wide)))
    apart = scribe.between(0.1, 0.4) * wide if scribe.chance(0.3) else 0.0
    comb, line, empty = scribe.chance(0.25), scribe.page.new_line(), scribe.between(0, 0.3)
    for number in range(count):
        left = u + number * (wide + apart)
        if comb:
            drawn.line(left, v + 0.5 * side, left, v + side)
            drawn.line(left, v + side, left + wide, v + side)
        else:
            drawn.box(left, v, left + wide, v + side)
        if not scribe.chance(empty):
            put_into_box(scribe, writer, (left + wide / 2, v + side / 2), line)
    if comb:
        drawn.line(u + count * (wide + apart), v + 0.5 * side, u + count * (wide + apart), v + side)


def put_into_box(scribe: Scribe, writer: Writer, middle: tuple[float, float], line: int) -> None:
    """One digit, about in the middle of a box, not always within it."""
    size = writer.height * math.exp(scribe.random.normal(0, 0.07))
    label, off = scribe.number(0, 9), scribe.random.normal(0, 0.08, 2) * size
    stamp = scribe.stock.digit(scribe.random, label, replace(writer, height=size))
    x, y = scribe.at(writer.turn, middle[0] + off[0], middle[1] + off[1])
    scribe.page.put(stamp, x, y, label, line=line, overlap=0.4)


def tick(scribe: Scribe, writer: Writer, middle: tuple[float, float], side: float) -> None:
    """A tick or a cross over a box."""
    points = np.array(TICKS[scribe.number(0, len(TICKS) - 1)])
    parted = np.isnan(points[:, 0])
    lengths = [len(points)] if not parted.any() else [int(parted.argmax()), len(points) - 1 - int(parted.argmax())]
    points = points[~parted] + scribe.random.normal(0, 0.06, (int((~parted).sum()), 2))
    stamp = ink_of(points, lengths, side * scribe.between(0.7, 1.2), writer.pen, writer)
    x, y = scribe.at(writer.turn, *middle)
    scribe.page.put(stamp, x, y, overlap=None)


def print_text(scribe: Scribe, height: float) -> None:
    """A page of printed text, of a few phrases that are repeated."""
    (rows, width) = scribe.page.size
    phrases = [scribe.stock.text(scribe.random, height) for _ in range(10)]
    y, pitch = height * scribe.between(0.8, 3), height * scribe.between(1.4, 2.4)
    left = scribe.between(0.02, 0.2) * width
    while y < rows - height / 2:
        x = left
        while x < width * 0.9:
            stamp = phrases[scribe.number(0, len(phrases) - 1)]
            scribe.page.put(stamp, x + stamp.shape[1] / 2, y, overlap=0.2, printed=True)
            x += stamp.shape[1] + height * 0.5
            if scribe.chance(0.12):
                break
        y += pitch * (2 if scribe.chance(0.1) else 1)
