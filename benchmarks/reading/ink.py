"""Lines of digits as ink, of which `benchmarks.reading.pages` makes pages: enlarged, side by side, some touching."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Ink = npt.NDArray[np.float32]  # (H, W), 0 paper to 1 ink
Digits = tuple[Pixels, npt.NDArray[np.int64]]


def _digit(random: np.random.Generator, digits: Digits, high: int, thin: bool) -> tuple[Ink, str]:
    """A digit, enlarged with smooth edges, and its label."""
    while True:
        chosen = int(random.integers(len(digits[0])))
        image = digits[0][chosen]
        rows, columns = np.flatnonzero((image > 60).any(1)), np.flatnonzero((image > 60).any(0))
        if len(rows) < 10:  # a one that lies down
            continue
        image = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 2)
        scale = high / len(rows)
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        large = cv2.GaussianBlur(large, (0, 0), scale / 2).astype(np.float32)
        if thin:
            side = max(1, int(0.8 * scale))
            large = cv2.erode(large, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))).astype(np.float32)
        ink = _trimmed((1 / (1 + np.exp(((90 if thin else 128) - large) / 12))).astype(np.float32))
        if ink.shape[0] > high / 2:
            return ink, str(digits[1][chosen])


def _trimmed(ink: Ink) -> Ink:
    rows, columns = np.flatnonzero((ink > 0.3).any(1)), np.flatnonzero((ink > 0.3).any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else ink[:0, :0]


def _sign(random: np.random.Generator, high: int, pen: int) -> Ink:
    """One of + - x and the bar with two dots; a slash is not among them, since it can't be told from a 1."""
    ink = np.zeros((high, high), np.float32)

    def line(*ends: float) -> None:
        x, y, u, v = (int(high * (end + random.normal(0, 0.04))) for end in ends)
        cv2.line(ink, (x, y), (u, v), 1, pen, cv2.LINE_AA)

    kind = str(random.choice(["+", "-", "x", ":"]))
    if kind == "x":
        line(0.15, 0.2, 0.85, 0.8)
        line(0.85, 0.2, 0.15, 0.8)
    else:
        line(0.12, 0.5, 0.88, 0.5)
    if kind == "+":
        line(0.5, 0.12, 0.5, 0.88)
    if kind == ":":
        for place in (0.2, 0.8):
            cv2.circle(ink, (high // 2, int(place * high)), max(1, pen // 2 + 1), 1, -1, cv2.LINE_AA)
    return _trimmed(ink)


def _line(signs: list[Ink], gaps: list[float], tops: list[int], close: bool) -> Ink:
    """Signs side by side, `gaps` pixels apart: their boxes, or with `close` the ink that faces each other."""
    room = sum(ink.shape[1] for ink in signs) + int(sum(abs(gap) for gap in gaps)) + 9
    line = np.zeros((max(top + len(ink) for ink, top in zip(signs, tops, strict=True)), room), np.float32)
    left = 0
    for ink, gap, top in zip(signs, [0.0, *gaps], tops, strict=True):
        rows = slice(top, top + len(ink))
        if left:
            free = 0
            if close:
                reached = np.where(line[rows] > 0.5, np.arange(1, room + 1), 0).max(1)
                begins = np.where((ink > 0.5).any(1), (ink > 0.5).argmax(1), room)
                free = int((left + begins - reached).min())
            left = max(1, left + round(gap) - max(0, free))
        part = line[rows, left : left + ink.shape[1]]
        np.maximum(part, ink[:, : part.shape[1]], out=part)
        left = max(left + ink.shape[1], 1)
    return _trimmed(line)


def write(
    random: np.random.Generator,
    digits: Digits,
    counts: list[int],
    high: int,
    apart: tuple[float, float] = (0.15, 0.6),
    slope: float = 0.0,
    signs: bool = False,
    touch: tuple[float, float] | None = None,
    margin: tuple[float, float] = (0.15, 1.2),
) -> tuple[Ink, str]:
    """Lines of so many digits: their ink with a margin, and the text.

    `high` is in pixels, the rest in heights: gaps are `apart`, or of six neighbours in ten the ink overlaps by `touch`.
    """
    thin = bool(random.random() < 0.6)
    pen = max(2, int(0.1 * high))
    texts, lines = [], []
    for count in counts:
        inks, text, tops, gaps = [], "", [], []
        for place in range(count):
            tall = int(high * random.uniform(0.88, 1.12))
            ink, label = _digit(random, digits, tall, thin)
            inks.append(ink)
            text += label
            tops.append(max(0, int(0.2 * high + high - tall + random.normal(0, 0.04 * high))))
            if signs and place < count - 1 and random.random() < 0.45:
                inks.append(_sign(random, int(high * random.uniform(0.5, 0.8)), pen))
                tops.append(int(0.7 * high) - len(inks[-1]) // 2)
        for _ in inks[1:]:
            overlaps = touch is not None and random.random() < 0.6
            gaps.append(high * (-random.uniform(*touch) if overlaps and touch else random.uniform(*apart)))
        lines.append(_line(inks, gaps, tops, touch is not None))
        texts.append(text)
    wide = max(line.shape[1] for line in lines) + 2 * high
    page = np.zeros((0, wide), np.float32)
    for line in lines:
        left = int(random.uniform(0, min(high, wide - line.shape[1])))
        space = int(high * random.uniform(0.3, 0.8))
        page = np.concatenate([page, np.pad(line, ((0, space), (left, wide - left - line.shape[1])))])
    if slope:
        turn = np.array([[1, 0, 0], [slope, 1, max(0.0, -slope * wide)]], np.float32)
        page = cv2.warpAffine(page, turn, (wide, int(len(page) + abs(slope) * wide))).astype(np.float32)
    edges = [int(high * random.uniform(*margin)) for _ in range(4)]
    return np.pad(_trimmed(page), ((edges[0], edges[1]), (edges[2], edges[3]))), "\n".join(texts)
