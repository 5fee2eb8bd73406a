"""Pages without any digit: letters, words, print and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from digits.data.pages.layouts.forms import draw_grid, print_text, tick
from digits.data.pages.layouts.singles import alone, place
from digits.data.pages.layouts.strings import margin, someone, style_of, write_block
from digits.data.pages.layouts.writing import Scribe, ink_of
from digits.data.pages.paper.light import log_uniform

Way = npt.NDArray[np.float64]  # (T, 2): x, y

SENTENCES = ("~~~ ~~~~ ~~", "@ @ @ @ @", "~ ~ ~ ~ ~ ~", "@ @, @. @ @", "~=~+~", "@: @", "(~-~)×~", "@ & @ &", "~~~~~~")


def write_words(scribe: Scribe) -> None:
    """Lines of words, of letters and of letters with signs between."""
    writer = someone(scribe)
    texts = [str(scribe.random.choice(SENTENCES)) for _ in range(scribe.number(1, 10))]
    if scribe.chance(0.4):
        texts = [texts[0]] * len(texts)
    write_block(scribe, writer, texts, style_of(scribe, -0.02, 0.3), scribe.between(1.3, 2.2), margin(scribe))


def write_letters(scribe: Scribe) -> None:
    """Letters, signs and shapes anywhere, of any size."""
    height, width = scribe.page.size
    first = someone(scribe)
    for _ in range(scribe.number(2, 40)):
        size = log_uniform(scribe.random, 10, max(12, 0.35 * min(height, width)))
        pen = first.pen * math.sqrt(size / first.height)
        writer = replace(first, height=size, pen=pen, turn=first.turn + float(scribe.random.normal(0, 0.15)))
        x, y = scribe.between(0, width), scribe.between(0, height)
        kind = scribe.random.random()
        stamp = (
            scribe.stock.letter(scribe.random, writer) if kind < 0.55
            else scribe.stock.symbol(scribe.random, writer) if kind < 0.8
            else scribe.stock.word(scribe.random, writer)
        )  # fmt: skip
        scribe.page.put(stamp, x, y, overlap=0.05)


def write_one_letter(scribe: Scribe) -> None:
    """A letter or a sign, large, in the middle of a picture of any size."""
    writer = alone(scribe, 0.3, 0.95)
    stock, random = scribe.stock, scribe.random
    stamp = stock.letter(random, writer) if scribe.chance(0.65) else stock.symbol(random, writer)
    place(scribe, stamp, None)


def write_print(scribe: Scribe) -> None:
    """Printed text."""
    print_text(scribe, log_uniform(scribe.random, 7, 40))


def write_nothing(scribe: Scribe) -> None:
    """Empty paper, or an empty table."""
    if scribe.chance(0.25):
        writer = someone(scribe)
        height, width = scribe.page.size
        cell = writer.height * scribe.between(1, 4), writer.height * scribe.between(1, 3)
        count = max(1, int(0.9 * width / cell[0])), max(1, int(0.9 * height / cell[1]))
        corner = -count[0] * cell[0] / 2, -count[1] * cell[1] / 2
        draw_grid(scribe, writer, corner, count, cell)


def circle(scribe: Scribe) -> Way:
    """A ring wider than a zero, drawn a little more than once round."""
    angles = np.linspace(0, 2 * math.pi * scribe.between(1, 1.2), 40) + scribe.between(0, 6)
    wide = scribe.between(1.4, 2.5)
    return np.column_stack([wide * np.cos(angles), np.sin(angles)]) / 2


def arrow(scribe: Scribe) -> Way:
    """A long arrow, in one stroke."""
    tip = scribe.between(0.12, 0.3)
    return np.array([[0, 0], [1.6, 0], [1.6 - tip, -tip], [1.6, 0], [1.6 - tip, tip]])


def box(scribe: Scribe) -> Way:
    """A rectangle that is wider than tall."""
    wide = scribe.between(1.1, 4)
    return np.array([[0, 0], [wide, 0], [wide, 1], [0, 1], [0, 0]])


def triangle(scribe: Scribe) -> Way:
    """A triangle on its side or upright."""
    wide = scribe.between(0.7, 1.5)
    return np.array([[0, 1], [wide / 2, 0], [wide, 1], [0, 1]])


def scribble(scribe: Scribe) -> Way:
    """Strokes to and fro, as one crosses something out."""
    turns = scribe.number(6, 16)
    x = np.linspace(0, scribe.between(0.6, 3), turns) + scribe.random.normal(0, 0.08, turns)
    return np.column_stack([x, np.arange(turns) % 2 + scribe.random.normal(0, 0.12, turns)])


def waves(scribe: Scribe) -> Way:
    """A wavy or looped line with several turns, as in a signature."""
    angles = np.linspace(0, 2 * math.pi * scribe.between(3, 7), 120)
    loops, high = scribe.between(0, 0.25), scribe.between(0.15, 0.5)
    return np.column_stack([angles * 0.12 + loops * np.cos(angles), high * np.sin(angles)])


def curve(scribe: Scribe) -> Way:
    """The graph of a function with its axes, in one stroke."""
    x = np.linspace(0, 2, 60)
    y = np.sin(x * scribe.between(4, 9)) * scribe.between(0.2, 0.45) + 0.5
    axes = np.array([[0.0, 0.0], [0.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    return np.concatenate([axes, np.column_stack([x, y])])


SHAPES: tuple[Callable[[Scribe], Way], ...] = (circle, arrow, box, triangle, scribble, waves, curve)


def write_shapes(scribe: Scribe) -> None:
    """Arrows, boxes, rings, ticks, scribbles and curves."""
    height, width = scribe.page.size
    writer = someone(scribe)
    for _ in range(scribe.number(1, 16)):
        size = log_uniform(scribe.random, 12, max(16, 0.5 * min(height, width)))
        middle = scribe.between(-0.45, 0.45) * width, scribe.between(-0.45, 0.45) * height
        if scribe.chance(0.15):
            tick(scribe, writer, middle, size)
            continue
        drawn = SHAPES[scribe.number(0, len(SHAPES) - 1)](scribe)
        turned = replace(writer, turn=float(scribe.random.normal(0, 0.3)))
        stamp = ink_of(drawn, [len(drawn)], size, writer.pen, turned)
        scribe.page.put(stamp, *scribe.at(0, *middle), overlap=0.3)
