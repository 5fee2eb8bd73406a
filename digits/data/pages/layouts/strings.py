"""Strings of digits: in lines and paragraphs, touching, overlapping, as amounts, dates and sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from digits.data.pages.layouts.writing import INK, Scribe, Style, fill, ink_of, write_line
from digits.data.pages.page import Writer
from digits.data.pages.paper.light import log_uniform

HEIGHTS = (14.0, 64.0)  # of digits, in pixels, on pages of 384


def someone(scribe: Scribe, low: float = HEIGHTS[0], high: float = HEIGHTS[1]) -> Writer:
    """A writer whose digits fit the page, and whose lines don't run off it at once."""
    height, width = scribe.page.size
    size = log_uniform(scribe.random, min(low, 0.7 * height), min(high, 0.8 * height))
    room = min(1.0, (height - size) / (0.35 * width))  # on a strip a tilted line would soon be outside
    turn = 0.0 if scribe.chance(0.15) else float(scribe.random.normal(0, 0.05 if scribe.chance(0.8) else 0.16)) * room
    return scribe.stock.new_writer(scribe.random, size, turn)


def style_of(scribe: Scribe, low: float = 0.1, high: float = 0.5) -> Style:
    """A random style, with gaps between tokens from `low` to about `high` heights."""
    close = scribe.between(low, (low + high) / 2)
    return Style(
        gap=(close, scribe.between(close, high) + 0.02),
        vary=scribe.between(0.02, 0.12),
        jitter=float(scribe.random.choice([0.02, 0.05, 0.1])),
        kern=scribe.between(0, 0.8),
        wave=scribe.between(0, 0.25) if scribe.chance(0.2) else 0.0,
        cut=scribe.chance(0.1),
    )


def write_block(
    scribe: Scribe, writer: Writer, texts: Sequence[str], style: Style, pitch: float, left: float | None = None
) -> tuple[float, float]:
    """Write lines below each other, `pitch` heights apart; returns where the first begins: u, v from the middle.

    `left` is where they begin, in half widths of the page from its middle; None: anywhere, each a bit differently.
    """
    height, width = scribe.page.size
    size, step = writer.height, pitch * writer.height
    texts = texts[: max(1, int((height - size) / step + 1))]
    used = size + step * (len(texts) - 1)
    sides = min(width * 0.9, size * (0.6 + style.gap[1]) * max(map(len, texts))), used
    places = [
        (-width / 2 * (scribe.between(0.2, 0.97) if left is None else left), top - height / 2)
        for top in max(0.0, height - used) * scribe.random.uniform(0.02, 0.98, 4)
    ]
    start, top = max(places, key=lambda place: scribe.free(writer.turn, place, sides))
    top += size
    for number, text in enumerate(texts):
        off = 0.0 if left is not None else size * float(scribe.random.normal(0, 0.7))
        write_line(scribe, writer, text, scribe.at(writer.turn, start + off, top + number * step), style)
    return start, top


def margin(scribe: Scribe) -> float | None:
    """The margin at which all lines begin, or None for none."""
    return scribe.between(0.4, 0.97) if scribe.chance(0.5) else None


def run_of_digits(scribe: Scribe, most: int) -> str:
    """Digits, sometimes with a dot, a comma or a space."""
    tokens = []
    for _ in range(scribe.number(max(1, most // 2), most)):
        tokens.append("#")
        if scribe.chance(0.1):
            tokens.append(str(scribe.random.choice([".", ",", " ", " ", " "])))
    return fill(scribe.random, "".join(tokens))


def listed(scribe: Scribe) -> str:
    """Numbers of one or two digits, separated by commas with or without spaces."""
    numbers = ["#" * scribe.number(1, 2) for _ in range(scribe.number(2, 5))]
    return fill(scribe.random, ",".join(numbers) if scribe.chance(0.6) else ", ".join(numbers))


def write_lines(scribe: Scribe) -> None:
    """One to fourteen lines of one to fourteen digits."""
    writer = someone(scribe)
    wide = scribe.chance(0.2)
    style = style_of(scribe, 0.4, 1.4) if wide else style_of(scribe)
    most = int(scribe.random.choice([1, 2, 4, 7, 10, 14]))
    texts = []
    for _ in range(int(scribe.random.choice([1, 2, 3, 6, 10, 14]))):
        text = listed(scribe) if scribe.chance(0.12) else run_of_digits(scribe, most)
        text = "@ " + text if scribe.chance(0.1) else text
        texts.append(text + " @" if scribe.chance(0.08) else text)
    write_block(scribe, writer, texts, style, scribe.between(1.3, 2.4), margin(scribe))


def write_paragraph(scribe: Scribe) -> None:
    """Lines of words with numbers among them."""
    writer = someone(scribe, 14, 40)
    share = scribe.between(0.1, 0.6)
    texts = [
        " ".join(run_of_digits(scribe, 4) if scribe.chance(share) else "@" for _ in range(scribe.number(3, 8)))
        for _ in range(scribe.number(2, 12))
    ]
    write_block(scribe, writer, texts, style_of(scribe), scribe.between(1.4, 2.2), scribe.between(0.7, 0.97))


def close_style(scribe: Scribe, low: float, high: float) -> Style:
    """A style whose strokes touch or cross: gaps from -`high` to -`low`."""
    return style_of(scribe)._replace(gap=(-high, -low), kern=1.0, nested=0.27)


def write_touching(scribe: Scribe) -> None:
    """Strings whose digits touch."""
    writer = someone(scribe)
    texts = [fill(scribe.random, "#" * scribe.number(2, 10)) for _ in range(scribe.number(1, 8))]
    write_block(scribe, writer, texts, close_style(scribe, 0.01, 0.08), scribe.between(1.3, 2.2), margin(scribe))


def write_overlapping(scribe: Scribe) -> None:
    """Strings whose digits run into each other."""
    writer = someone(scribe, 18)
    texts = [fill(scribe.random, "#" * scribe.number(2, 7)) for _ in range(scribe.number(1, 6))]
    style = close_style(scribe, 0.06, scribe.between(0.1, 0.22))._replace(
        jitter=scribe.between(0.02, 0.15), nested=0.42
    )
    write_block(scribe, writer, texts, style, scribe.between(1.4, 2.4), margin(scribe))


def cut_to_ink(scribe: Scribe) -> None:
    """Cut the page to its writing, with a margin of at most a quarter of its height, or none."""
    rows = np.flatnonzero((scribe.page.ink > INK).any(axis=1))
    columns = np.flatnonzero((scribe.page.ink > INK).any(axis=0))
    if not len(rows):
        return
    high = rows[-1] - rows[0] + 1
    if scribe.chance(0.45):
        margins = scribe.random.integers(0, 3, 4)
    else:
        margins = np.round(high * scribe.random.uniform(0, 0.25, 4)).astype(int)
    height, width = scribe.page.size
    left, top = max(0, int(columns[0] - margins[0])), max(0, int(rows[0] - margins[1]))
    right, bottom = min(width, int(columns[-1] + 1 + margins[2])), min(height, int(rows[-1] + 1 + margins[3]))
    scribe.cut = (left, top, right, bottom)


def write_cut_string(scribe: Scribe) -> None:
    """One string, cut out along its box."""
    writer = someone(scribe, 16, 90)
    close, length = scribe.random.random(), scribe.number(2, 9)
    if close < 0.5:
        style = close_style(scribe, 0.01, scribe.between(0.05, 0.15))
    else:
        style = style_of(scribe, 0.0, 0.3)
    if scribe.chance(0.25):
        text = amount(scribe)
    else:
        text = fill(scribe.random, "#" * length)
    start = scribe.at(writer.turn, -scribe.page.size[1] / 2 * 0.94, writer.height / 2)
    write_line(scribe, writer, text, start, style._replace(cut=False))
    cut_to_ink(scribe)


AMOUNTS = ("#,-", "##,-", "###,-", "####,-", "##,##", "###,##", "#.###,-", "##.###,##", "#,###.##", "###-", "###=",
           "=##.##=", "###.##", "#'###.-", "#####,--")  # fmt: skip


def amount(scribe: Scribe) -> str:
    """An amount of money as on cheques."""
    return fill(scribe.random, str(scribe.random.choice(AMOUNTS)))


def write_amounts(scribe: Scribe) -> None:
    """Amounts of money, touching, some underlined or with a line through the rest of the row."""
    writer = someone(scribe, 16, 72)
    style = close_style(scribe, 0.01, 0.1) if scribe.chance(0.6) else style_of(scribe, 0.0, 0.3)
    height, width = scribe.page.size
    size = writer.height
    count = min(scribe.number(1, 3), max(1, int(height / (1.6 * size))))
    first = size + (height - size - 1.6 * size * (count - 1)) * scribe.between(0.05, 0.95)
    for row in range(count):
        u, v = width / 2 * scribe.between(-0.95, 0), first + 1.6 * size * row - height / 2
        length = write_line(scribe, writer, amount(scribe), scribe.at(writer.turn, u, v), style)
        if length and scribe.chance(0.5):
            draw_across(scribe, writer, u, v, length)


def draw_across(scribe: Scribe, writer: Writer, u: float, v: float, length: float) -> None:
    """Draw one or two strokes: below a number, from its end on, or, seldom, through it."""
    kind = scribe.random.choice(3, p=[0.5, 0.35, 0.15])
    size = writer.height
    begin, end, below = (
        (u - 0.3 * size, u + length + 0.3 * size, 0.2 * size),
        (u + length + 0.2 * size, u + length + size * scribe.between(1, 5), -0.45 * size),
        (u - 0.2 * size, u + length + 0.2 * size, -scribe.between(0.2, 0.7) * size),
    )[kind]
    for row in range(scribe.number(1, 2)):
        slope = scribe.random.normal(0, 0.06) * size
        way = np.array([[begin, -slope], [(begin + end) / 2, scribe.random.normal(0, 0.03) * size], [end, slope]])
        line = ink_of(way, [3], 1.0, writer.pen * scribe.between(0.7, 1.1), replace(writer, slant=0.0))
        x, y = scribe.at(writer.turn, (begin + end) / 2, v + below + 0.18 * size * row)
        scribe.page.put(line, x, y, overlap=None)


def write_sizes(scribe: Scribe) -> None:
    """Sizes that differ from line to line and within a line."""
    first = someone(scribe)
    height, width = scribe.page.size
    v, style = -height / 2 * scribe.between(0.7, 1), style_of(scribe)._replace(vary=scribe.between(0.1, 0.4))
    while v < height / 2:
        size = float(np.clip(first.height * math.exp(scribe.random.normal(0, 0.45)), 14, 0.5 * height))
        writer = replace(first, height=size, pen=first.pen * math.sqrt(size / first.height))
        v += size * scribe.between(1.2, 1.6)
        start = scribe.at(writer.turn, -width / 2 * scribe.between(0.2, 0.95), v)
        write_line(scribe, writer, run_of_digits(scribe, 6), start, style)
        v += size * scribe.between(0.1, 0.6)


DATES = ("##.##.19##", "##.##.20##", "#.#.##", "##/##/##", "##-##-####", "####-##-##", "##. @ 20##", "@ ## 19##",
         "##:##", "##:##:##", "0### / ######", "0## ### ## ##", "(###) ###-####", "+## ### #######", "### ### ###",
         "##-##-##", "## ## ## ##", "##### @", "###-##-####", "#### #### #### ####")  # fmt: skip
"""Dates, times, phone and card numbers, postal codes."""


def write_dates(scribe: Scribe) -> None:
    """Numbers with separators, some with a word before them."""
    writer = someone(scribe)
    texts = []
    for _ in range(scribe.number(1, 9)):
        text = fill(scribe.random, str(scribe.random.choice(DATES)))
        texts.append("@ " + text if scribe.chance(0.2) else text)
    style = style_of(scribe, 0.05, 0.4)
    write_block(scribe, writer, texts, style, scribe.between(1.4, 2.4), scribe.between(0.5, 0.96))


def write_sequence(scribe: Scribe) -> None:
    """Digits in order, numbered items, or rows of one digit, as in writing exercises and data collections."""
    writer = someone(scribe, 14, 48)
    kind = scribe.number(0, 3)
    first, rows = scribe.number(0, 9), scribe.number(1, 12)
    if kind == 0:
        texts = ["0123456789" if scribe.chance(0.8) else "1 2 3 4 5 6 7 8 9 10"] * rows
    elif kind == 1:
        texts = [f"{first + row}{scribe.random.choice(['.', ')'])} @ @" for row in range(rows)]
    elif kind == 2:
        texts = [str((first + row) % 10) * scribe.number(3, 14) for row in range(rows)]
    else:
        texts = [str(first + row) for row in range(rows)]
    style = style_of(scribe, 0.1, scribe.between(0.2, 1))
    write_block(scribe, writer, texts, style, scribe.between(1.3, 2.2), scribe.between(0.5, 0.96))
