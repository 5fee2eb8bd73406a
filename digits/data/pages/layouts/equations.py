"""Mathematics: equations, systems with a brace, fractions, sums below each other; and digits among other signs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from digits.data.pages.layouts.strings import HEIGHTS, margin, someone, style_of, write_block
from digits.data.pages.layouts.writing import Scribe, Style, fill, ink_of, write_line
from digits.data.pages.page import Writer
from digits.data.pages.paper.light import log_uniform

OPERATORS = ("+", "-", "×", "÷", "=", ":", "+", "-", "=", "&")

UNKNOWNS = "xyacxyxnktzx"


def term(scribe: Scribe, letters: float) -> str:
    """A number, an unknown or both; `letters` is the share with an unknown."""
    text = "#" * scribe.number(1, 3)
    if scribe.chance(letters):
        text = ("" if scribe.chance(0.3) else text) + str(scribe.random.choice(list(UNKNOWNS)))
        text += "^#" if scribe.chance(0.25) else "_#" if scribe.chance(0.08) else ""
    elif scribe.chance(0.1):
        text += "^#"
    elif scribe.chance(0.1):
        text += scribe.random.choice([".#", ",##"])
    return f"({text}" if scribe.chance(0.04) else f"{text})" if scribe.chance(0.04) else text


def equation(scribe: Scribe, letters: float, most: int = 5) -> str:
    """Terms with operators between them, and often an equals sign before the last."""
    terms = [term(scribe, letters) for _ in range(scribe.number(2, most))]
    text = terms[0]
    for part in terms[1:]:
        text += str(scribe.random.choice(OPERATORS)) + part
    if scribe.chance(0.5):
        text += "=" + ("#" * scribe.number(1, 3) if scribe.chance(0.7) else "")
    spaced = text.replace("=", " = ") if scribe.chance(0.3) else text
    return fill(scribe.random, spaced)


def write_equations(scribe: Scribe) -> None:
    """Calculations, or equations with unknowns."""
    writer, letters = someone(scribe, 18), 0.0 if scribe.chance(0.4) else scribe.between(0.3, 0.9)
    texts = [equation(scribe, letters) for _ in range(int(scribe.random.choice([1, 1, 2, 4, 8])))]
    write_block(scribe, writer, texts, style_of(scribe, 0.08, 0.45), scribe.between(1.5, 3), margin(scribe))


def write_system(scribe: Scribe) -> None:
    """Equations one below the other, held together by a brace."""
    writer = someone(scribe, 18, 48)
    texts = [equation(scribe, 0.75, 4) for _ in range(scribe.number(2, 4))]
    pitch = scribe.between(1.4, 2.2)
    start, top = write_block(scribe, writer, texts, style_of(scribe), pitch, scribe.between(0.5, 0.85))
    size = writer.height
    high = size * (pitch * (len(texts) - 1) + scribe.between(1.2, 1.7))
    brace = scribe.stock.brace(scribe.random, writer, high)
    middle = top + size * (pitch * (len(texts) - 1) / 2 - 0.5)
    x, y = scribe.at(writer.turn, start - brace.shape[1] / 2 - size * scribe.between(0.1, 0.4), middle)
    scribe.page.put(brace, x, y, overlap=0.4)


def bar(scribe: Scribe, writer: Writer, u: float, v: float, length: float) -> None:
    """Draw a stroke along the line, from (u, v) off the middle of the page."""
    way = np.array([[0, 0], [length / 2, scribe.random.normal(0, 0.03) * writer.height], [length, 0]])
    x, y = scribe.at(writer.turn, u + length / 2, v)
    stroke = ink_of(way, [3], 1.0, writer.pen * scribe.between(0.8, 1.1), replace(writer, slant=0.0))
    scribe.page.put(stroke, x, y, overlap=None)


def write_fractions(scribe: Scribe) -> None:
    """Rows of fractions with signs between: upper numbers are a line, the middle is one, lower numbers are one."""
    writer = someone(scribe, 16, 56)
    height, width = scribe.page.size
    size, style = writer.height, style_of(scribe, 0.05, 0.35)
    v = -height / 2 + size * scribe.between(1.5, 3)
    step = size * scribe.between(3.2, 4.2)
    while v < height / 2 - 0.7 * size:
        numbers = [scribe.page.new_line() for _ in range(3)]
        u = -width / 2 * scribe.between(0.5, 0.95)
        for part in range(scribe.number(1, 4)):
            if part:
                text = str(scribe.random.choice(["+", "-", "=", "×"]))
                text = text + fill(scribe.random, "#") if scribe.chance(0.2) else text
                start = scribe.at(writer.turn, u, v + 0.5 * size)
                u += write_line(scribe, writer, text, start, style, numbers[1]) + 0.35 * size
            u += fraction(scribe, writer, style, (u, v), (numbers[0], numbers[2])) + 0.4 * size
        v += step


def fraction(scribe: Scribe, writer: Writer, style: Style, place: tuple[float, float], lines: tuple[int, int]) -> float:
    """Write a number over another with a bar between, from a place off the page's middle; returns the bar's length."""
    size, (u, v) = writer.height, place
    counts = [scribe.number(1, 3), scribe.number(1, 3)]
    longest, reach = max(counts), 0.0
    for count, line, below in zip(counts, lines, (-0.25, 1.3), strict=True):
        shift = (longest - count) * 0.4 * size + 0.1 * size
        text = fill(scribe.random, "#" * count) if scribe.chance(0.9) else "x"
        start = scribe.at(writer.turn, u + shift, v + below * size)
        reach = max(reach, shift + write_line(scribe, writer, text, start, style, line))
    bar(scribe, writer, u, v, reach + 0.1 * size)
    return reach


def write_sum(scribe: Scribe) -> None:
    """Numbers below each other, flush right, a bar, and their sum."""
    writer = someone(scribe, 16, 56)
    height, width = scribe.page.size
    size, style, pitch = writer.height, Style(gap=(0.15, 0.3), jitter=0.03), scribe.between(1.3, 1.7)
    u = -width / 2 * scribe.between(0.5, 0.95)
    while u < width / 2 - 3 * size:
        rows = scribe.number(2, 6)
        most, v = scribe.number(2, 5), -height / 2 + size * scribe.between(1.1, 3)
        for row in range(rows + 1):
            count = most if row == rows else scribe.number(1, most)
            text = fill(scribe.random, "#" * count)
            start = scribe.at(writer.turn, u + (most - count + 1) * 0.8 * size, v)
            write_line(scribe, writer, text, start, style)
            if row == rows - 1:
                mark = scribe.at(writer.turn, u - 0.1 * size, v)
                write_line(scribe, writer, str(scribe.random.choice(["+", "-", "×"])), mark)
                v += 0.3 * size
                bar(scribe, writer, u, v, (most + 1) * 0.85 * size)
            v += pitch * size
        u += (most + 2.5) * size * scribe.between(0.9, 1.3)


def write_scatter(scribe: Scribe) -> None:
    """Digits, letters, signs and words anywhere, of any size; the digits belong to no line."""
    first = someone(scribe)
    height, width = scribe.page.size
    for _ in range(scribe.number(6, 60)):
        size = float(np.clip(first.height * math.exp(scribe.random.normal(0, 0.35)), 0.8 * HEIGHTS[0], 0.4 * height))
        turn = float(first.turn + scribe.random.normal(0, 0.12))
        writer = replace(first, height=size, pen=first.pen * math.sqrt(size / first.height), turn=turn)
        if scribe.chance(0.1):
            writer = scribe.stock.new_writer(scribe.random, log_uniform(scribe.random, *HEIGHTS), turn)
        x, y = scribe.between(0, width), scribe.between(0, height)
        kind = scribe.random.random()
        if kind < 0.62:
            label = scribe.number(0, 9)
            scribe.page.put(scribe.stock.digit(scribe.random, label, writer), x, y, label, overlap=0.02)
        elif kind < 0.8:
            scribe.page.put(scribe.stock.symbol(scribe.random, writer), x, y, overlap=0.02)
        elif kind < 0.95:
            scribe.page.put(scribe.stock.letter(scribe.random, writer), x, y, overlap=0.02)
        else:
            scribe.page.put(scribe.stock.word(scribe.random, writer), x, y, overlap=0.02)
