"""Writing among other things: forms, tables, frames, scans, screenshots, whiteboards, and marks that are no digits.

Made of the same digits as `benchmarks.reading.pages`, of which this is a part.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.reading.ink import Digits, Ink, Pixels, write

Made = tuple[Pixels, str]


def _size(random: np.random.Generator) -> int:
    return int(random.integers(28, 90))


def _string(random: np.random.Generator, digits: Digits, high: int, most: int = 6) -> tuple[Ink, str]:
    return write(random, digits, [int(random.integers(1, most + 1))], high, (0.15, 0.6))


def _coloured(random: np.random.Generator, ink: Ink, paper: Pixels, pen: Pixels) -> Pixels:
    """Ink on paper, (3,) or (H, W, 3), a little blurred, with some grain, as a JPEG in half of them."""
    pixels = paper * (1 - ink[..., None]) + pen * ink[..., None]
    pixels = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), random.uniform(0.3, 0.9))
    pixels = (pixels + random.normal(0, random.uniform(0, 4), pixels.shape)).clip(0, 255).astype(np.uint8)
    if random.random() < 0.5:
        _, packed = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(60, 95))])
        decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        assert decoded is not None
        pixels = np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)
    return pixels


def _light(random: np.random.Generator) -> Pixels:
    return random.integers(200, 256, 3).astype(np.uint8)


def _dark(random: np.random.Generator) -> Pixels:
    return np.array([(20, 20, 30), (30, 50, 160), (170, 30, 40), (30, 110, 60)][int(random.integers(4))], np.uint8)


def _cells(random: np.random.Generator, digits: Digits) -> Made:
    """A digit in each cell of a form or a table, whose lines are as dark as the ink or paler."""
    high = _size(random)
    side = int(high * random.uniform(1.4, 1.9))
    rows, columns = int(random.integers(1, 3)), int(random.integers(2, 7))
    ink = np.zeros((rows * side, columns * side), np.float32)
    lines = []
    for row in range(rows):
        line = ""
        for column in range(columns):
            one, text = write(random, digits, [1], high, margin=(0.0, 0.01))
            one = one[: side - 8, : side - 8]
            top = row * side + int(random.integers(4, side - len(one) - 3))
            left = column * side + int(random.integers(4, side - one.shape[1] - 3))
            ink[top : top + len(one), left : left + one.shape[1]] = one
            line += text
        lines.append(line)
    thick = max(1, int(high * random.uniform(0.02, 0.07)))
    ink = np.pad(ink, ((0, 1), (0, 1)))
    grid = np.zeros_like(ink)
    for row in range(rows + 1):
        cv2.line(grid, (0, row * side), (columns * side, row * side), 1, thick)
    for column in range(columns + 1):
        cv2.line(grid, (column * side, 0), (column * side, rows * side), 1, thick)
    ink = np.maximum(ink, grid * np.float32(random.uniform(0.4, 1)))
    ink = np.pad(ink, int(high * random.uniform(0.3, 1)))
    return _coloured(random, ink, _light(random), _dark(random)), "\n".join(lines)


def _framed(random: np.random.Generator, digits: Digits) -> Made:
    """A box or a ring drawn around the writing."""
    high = _size(random)
    ink, text = _string(random, digits, high, 4)
    ink = np.pad(ink, int(0.2 * high))
    frame = np.zeros_like(ink)
    tall, wide = ink.shape
    edge, pen = int(0.08 * high), max(1, int(high * random.uniform(0.03, 0.1)))
    if random.random() < 0.7:
        cv2.rectangle(frame, (edge, edge), (wide - edge, tall - edge), 1, pen, cv2.LINE_AA)
    else:
        frame = np.pad(frame, int(0.25 * min(tall, wide)))
        ink = np.pad(ink, int(0.25 * min(tall, wide)))
        tall, wide = ink.shape
        cv2.ellipse(frame, (wide // 2, tall // 2), (wide // 2 - 4, tall // 2 - 4), 0, 0, 360, 1, pen, cv2.LINE_AA)
    ink = np.pad(np.maximum(ink, frame), int(high * random.uniform(0.1, 1)))
    return _coloured(random, ink, _light(random), _dark(random)), text


def _scanned(random: np.random.Generator, digits: Digits) -> Made:
    """A scan: black where the sheet does not reach, on one side to four."""
    high = _size(random)
    ink, text = write(random, digits, [int(random.integers(2, 7)) for _ in range(int(random.integers(1, 3)))], high)
    pixels = _coloured(random, ink, _light(random), _dark(random))
    black = [int(high * random.uniform(0.1, 0.6)) if random.random() < 0.6 else 0 for _ in range(4)]
    pads = ((black[0], black[1]), (black[2], black[3]), (0, 0))
    return np.pad(pixels, pads, constant_values=int(random.integers(0, 40))), text


def _screenshot(random: np.random.Generator, digits: Digits) -> Made:
    """A canvas with a border on a page of another shade, or with a bar above it."""
    high = _size(random)
    ink, text = _string(random, digits, high, 5)
    dark = random.random() < 0.5
    paper, pen = (np.zeros(3), np.full(3, 255)) if dark else (np.full(3, 255), np.zeros(3))
    pixels = (paper * (1 - ink[..., None]) + pen * ink[..., None]).astype(np.uint8)
    border = int(random.integers(1, 5))
    pixels = np.pad(pixels, ((border, border), (border, border), (0, 0)), constant_values=int(random.integers(60, 180)))
    page = int(random.integers(200, 256)) if random.random() < 0.7 else int(random.integers(20, 60))
    pads = [int(high * random.uniform(0.1, 0.8)) for _ in range(4)]
    return np.pad(pixels, ((pads[0], pads[1]), (pads[2], pads[3]), (0, 0)), constant_values=page), text


def _whiteboard(random: np.random.Generator, digits: Digits) -> Made:
    """Bold markers of several colours, a reflection, traces of what was wiped off."""
    high = _size(random)
    ink, text = write(random, digits, [int(random.integers(2, 6))], high)
    tall, wide = ink.shape
    y, x = np.mgrid[0:tall, 0:wide].astype(np.float32)
    board = np.full((tall, wide, 3), random.uniform(170, 225), np.float32) * np.array([0.97, 1, 1])
    centre = random.uniform(0, wide), random.uniform(0, tall)
    glare = np.exp(-(((x - centre[0]) / (0.3 * wide)) ** 2 + ((y - centre[1]) / (0.5 * tall)) ** 2))
    board = board + random.uniform(0, 40) * glare[..., None]
    wiped = cv2.GaussianBlur((random.random((tall, wide)) < 0.002).astype(np.float32), (0, 0), 0.25 * high)
    board = board - 12 * (wiped / max(float(wiped.max()), 1e-6))[..., None]
    colours = np.array([_dark(random) for _ in range(3)], np.float64)
    pen = colours[(x * 3 / wide).astype(int).clip(0, 2)]
    return _coloured(random, ink, board.clip(0, 255), pen), text


def _marks(random: np.random.Generator, digits: Digits) -> Made:
    """Points, commas, minus and equals signs and brackets between the digits."""
    high = _size(random)
    pen = max(2, int(0.09 * high))
    parts: list[Ink] = []
    whole = ""
    tall = int(1.9 * high)
    for group in range(int(random.integers(2, 4))):
        ink, text = write(random, digits, [int(random.integers(1, 4))], high, (0.15, 0.4), margin=(0.0, 0.01))
        top = max(0, int(0.25 * high))
        parts.append(np.pad(ink, ((top, max(0, tall - top - len(ink))), (0, 0)))[:tall])
        whole += text
        mark = np.zeros((tall, int(0.9 * high)), np.float32)
        base, middle = int(1.25 * high), int(0.75 * high)
        left, right = int(0.25 * high), int(0.7 * high)
        kind = str(random.choice([".", ",", "-", "=", "(", ")"]))
        if group == 0 and kind == ")":
            kind = "("
        if kind == ".":
            cv2.circle(mark, (left, base), max(1, pen // 2 + 1), 1, -1, cv2.LINE_AA)
        elif kind == ",":
            cv2.line(mark, (left + pen, base), (left, base + int(0.2 * high)), 1, pen, cv2.LINE_AA)
        elif kind in "-=":
            for place in [middle] if kind == "-" else [middle - int(0.12 * high), middle + int(0.12 * high)]:
                cv2.line(mark, (left, place), (right, place + int(random.integers(-2, 3))), 1, pen, cv2.LINE_AA)
        else:
            turn = (120, 240) if kind == "(" else (-60, 60)
            at = (int(0.7 * high), middle) if kind == "(" else (int(0.1 * high), middle)
            cv2.ellipse(mark, at, (int(0.4 * high), int(0.75 * high)), 0, *turn, 1, pen, cv2.LINE_AA)
        parts.append(mark)
    ink = np.concatenate(parts[:-1], 1)
    ink = np.pad(ink, int(high * random.uniform(0.2, 1)))
    return _coloured(random, ink, _light(random), _dark(random)), whole


def _uneven(random: np.random.Generator, digits: Digits) -> Made:
    """Digits of very different sizes in a line that climbs or falls."""
    high = _size(random)
    parts: list[Ink] = []
    text = ""
    climb = random.uniform(-0.12, 0.12) * high
    count = int(random.integers(3, 7))
    for place in range(count):
        one, label = write(random, digits, [1], int(high * random.uniform(0.6, 1.25)), margin=(0.0, 0.01))
        below = int(high + climb * place + random.normal(0, 0.05 * high))
        parts.append(np.pad(one, ((max(0, 3 * high - below - len(one)), max(0, below)), (0, int(0.25 * high)))))
        text += label
    tall = max(len(part) for part in parts)
    ink = np.concatenate([np.pad(part, ((tall - len(part), 0), (0, 0))) for part in parts], 1)
    return _coloured(random, np.pad(ink, high // 3), _light(random), _dark(random)), text


KINDS: dict[str, Callable[[np.random.Generator, Digits], Made]] = {
    "cells of a form or a table": _cells,
    "a frame around the writing": _framed,
    "scans with black borders": _scanned,
    "screenshots": _screenshot,
    "whiteboards": _whiteboard,
    "points, dashes, brackets": _marks,
    "sizes that differ, lines that climb": _uneven,
}
