"""The stock of stamps that pages are composed of: digits, letters, signs and words, by hand or in print."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.data.pages.page import Ink, Random, Writer
from digits.data.pages.paper.photographs import photographs
from digits.data.pages.stamps import alphabet, lettering, pen, skeleton
from digits.data.pages.stamps.pen import Hand
from digits.data.synthetic import strokes
from digits.data.synthetic.draw import Style, parse

SKELETON, GREY, STROKES, FONT = range(4)  # the kinds of digits: indices of `Writer.kinds`
SHARES = (0.6, 0.35, 0.6, 0.15)  # Dirichlet parameters of a writer's kinds: most writers have mainly one or two

CALCULATOR = {label: len(strokes.DIGITS[label]) - 1 for label in (0, 2, 3, 4, 5, 6, 8, 9)}
"""The index of each class's seven-segment form in `strokes.DIGITS`; such forms are rare on paper."""

RARE = 0.1  # weight of a seven-segment form, relative to any other form
MARKED = 0.4  # weight of a slashed or dotted zero, relative to a plain zero
PLAIN = 0.4  # share of sticks among the ones that are drawn as strokes; all other ones have a flag
LONG = 2.5  # weight of a one whose flag is more than half its height, relative to a shorter flag: it resembles 4, 7, 9
OPERATORS = strokes.SYMBOLS[:13]  # from plus to colon; smaller than digits
FONT_SIZE = 72  # size in pixels at which handwriting fonts are rendered, before they are scaled; a digit has about 50
BOLD = 0.1  # pen width, as a share of a digit's height, that may fill or close a loop; then another digit is drawn
FINE = 0.03  # the same share; a thinner pen follows the skeleton itself, since a distance map would leave gaps
TRIES = 4  # attempts at a digit whose loops are open

Drawing: TypeAlias = Callable[[float, float, Hand], Ink]  # draws a digit of a height with a pen of a width


class Stock:
    """What pages are composed of: MNIST's digits with their skeletons' distance maps, stroke forms, and material.

    `material` is a folder of handwriting fonts and of pictures without digits; either may be missing.

    Raises ValueError when a class has no image with a skeleton, or the images don't match the labels or maps.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],  # (N, 28, 28)
        labels: npt.NDArray[np.int64],  # (N,)
        distances: npt.NDArray[np.uint8],  # (N, 56, 56), of `skeleton.distance_maps`
        material: Path | None = None,
    ) -> None:
        if images.shape != (len(labels), 28, 28) or distances.shape != (len(labels), skeleton.SIDE, skeleton.SIDE):
            raise ValueError(f"{len(labels)} labels don't match images {images.shape} and maps {distances.shape}")
        self.images, self.distances = images, distances
        drawable = distances.min(axis=(1, 2), initial=255) < 255
        self.rows = [np.flatnonzero(labels == label) for label in range(10)]
        self.drawable = [rows[drawable[rows]] for rows in self.rows]
        if not all(map(len, self.drawable)):
            raise ValueError("every class needs an image with a skeleton; give more images")
        self.fonts = lettering.handwriting_fonts(material)
        self.photographs = photographs(material)
        self.printed = lettering.printed_fonts()
        self.forms = [_digit_forms(label) for label in range(10)]
        self.chances = [_chances(label) for label in range(10)]
        self.operators, self.symbols = _parsed(OPERATORS), _parsed(strokes.SYMBOLS[len(OPERATORS) :] + alphabet.SIGNS)
        self.braces = _parsed(alphabet.BRACES)
        self.letters = {letter: _parsed(forms) for letter, forms in alphabet.LETTERS.items()}

    def new_writer(self, random: Random, height: float, turn: float) -> Writer:
        """A writer of digits `height` pixels tall on lines turned by `turn`."""
        thickness = height * math.exp(random.uniform(math.log(0.03), math.log(0.2)))
        share = random.dirichlet(SHARES if self.fonts else SHARES[:FONT]).tolist()
        steady = random.random() < 0.85
        return Writer(
            height=height,
            pen=max(0.9, thickness),
            turn=turn,
            slant=float(random.normal(0.05, 0.12)),
            kinds=(share[0], share[1], share[2], share[3] if self.fonts else 0.0),
            forms={label: self._form(random, label) for label in range(10)} if steady else {},
        )

    def digit(self, random: Random, label: int, writer: Writer) -> Ink:
        """A digit in a writer's hand; with a bold pen, one whose loops stay open and that gets no new loops."""
        height = writer.height * math.exp(random.uniform(-0.06, 0.06))
        turn, aspect = writer.turn + random.normal(0, 0.04), math.exp(random.normal(0, 0.08))
        hand = Hand(turn, writer.slant + random.normal(0, 0.06), aspect)
        shares = writer.kinds if self.fonts else writer.kinds[:FONT]
        kind = random.choice(len(shares), p=np.array(shares) / sum(shares)) if sum(shares) else STROKES
        if kind == GREY:
            return self._grey(random, label, height, hand)
        if kind == FONT:
            return self._from_font(random, lettering.DIGITS[label], height, hand)
        thickness = max(0.9, writer.pen * math.exp(random.uniform(-0.05, 0.05)))
        for _ in range(TRIES):
            draw = self._skeleton(random, label) if kind == SKELETON else self._strokes(random, label, writer)
            ink = draw(height, thickness, hand)
            if thickness < BOLD * height or pen.loops(ink) == pen.loops(draw(40.0, 2.0, Hand())):
                return ink
        return draw(height, BOLD * height, hand)

    def pixel_digit(self, random: Random, label: int, height: float | None = None) -> Ink:
        """A digit as drawn with a mouse on a small canvas: 9 to 30 pixels tall, or enlarged to about `height`."""
        for _ in range(TRIES):
            own = random.uniform(11, 28)
            form = self.forms[label][self._form(random, label)]
            thickness = min(int(random.choice([1, 1, 1, 2, 2, 3, 4])), max(1, round(own / 7)))
            skipped = int(random.choice([1, 2, 4]))
            hand = Hand(random.normal(0, 0.05), random.normal(0.05, 0.12))
            way = pen.upright(pen.written(form, random))
            ink = pen.draw_pixels(way, form.ends, own - thickness, thickness, skipped, hand)
            if pen.loops(ink, least=1) == pen.loops(pen.draw(way, form.ends, 40.0, 2.0, hand)):
                break
        return ink if height is None else pen.enlarge(ink, max(1, round(height / ink.shape[0])))

    def letter(self, random: Random, writer: Writer, among: str | None = None) -> Ink:
        """A letter that does not resemble a digit, of the text `among` if given. Raises ValueError if it has none."""
        hand = self._hand(random, writer)
        scale = writer.height * random.uniform(0.85, 1.1)
        known = [letter for letter in (among or self.letters) if letter in self.letters]
        if not known:
            raise ValueError(f"{among!r} has no letter that can be drawn; take some of {''.join(self.letters)}")
        letter = known[random.integers(len(known))]
        if self.fonts and letter in lettering.ALONE and random.random() < 0.4:
            share = 0.58 if letter in "acemnruvwx" else 1.0
            return self._from_font(random, letter, scale * share, hand)
        form = _any(self.letters[letter], random)
        return pen.draw(pen.written(form, random, spread=0.15), form.ends, scale, writer.pen, hand)

    def symbol(self, random: Random, writer: Writer) -> Ink:
        """An operator or, less often, another sign."""
        small = random.random() < 0.65
        form = _any(self.operators if small else self.symbols, random)
        way = pen.upright(pen.written(form, random, narrowest=0.8))
        share = random.uniform(0.25, 0.7) if small else random.uniform(0.6, 1.15)
        return pen.draw(way, form.ends, writer.height * share, writer.pen, self._hand(random, writer))

    def brace(self, random: Random, writer: Writer, height: float) -> Ink:
        """A brace or bracket around several lines, of a given height."""
        form = _any(self.braces, random)
        way = pen.upright(pen.written(form, random))
        wide = writer.height * random.uniform(0.2, 0.6)
        aspect = wide / (height * max(0.05, float(np.ptp(way[:, 0]))))
        return pen.draw(way, form.ends, max(1.0, height - writer.pen), writer.pen, Hand(writer.turn, 0.0, aspect))

    def word(self, random: Random, writer: Writer) -> Ink:
        """A word in handwriting."""
        text = lettering.WORDS[random.integers(len(lettering.WORDS))]
        scale = writer.height * random.uniform(0.75, 1.15)  # height of a capital in pixels
        hand = Hand(writer.turn, writer.slant + random.normal(0, 0.04))
        if self.fonts and random.random() < 0.5:
            font = self.fonts[random.integers(len(self.fonts))]
            if lettering.shows(font, text):
                picture = lettering.render(font, text, FONT_SIZE)
                return pen.from_picture(picture, picture.shape[0] * scale / lettering.capital(font, FONT_SIZE), hand)
        way, ends = alphabet.write(text, random, linked=random.random() < 0.5)
        return pen.draw(way, ends, scale, writer.pen * random.uniform(0.8, 1.0), hand)

    def text(self, random: Random, height: float) -> Ink:
        """Printed words without digits, whose capitals are `height` tall."""
        font = self.printed[random.integers(len(self.printed))]
        words = lettering.phrase(random)
        if not lettering.shows(font, words):
            font = self.printed[0]
        picture = lettering.render(font, words, max(5, round(height / 0.72)))
        return pen.trim(picture.astype(np.float32) * np.float32(1 / 255))

    def _grey(self, random: Random, label: int, height: float, hand: Hand) -> Ink:
        image = self.images[random.choice(self.rows[label])]
        darkness = float(image.mean(where=image > 40)) / 255  # mostly 0.7; less for a pen thinner than a pixel
        threshold, softness = darkness * random.uniform(85, 180), random.uniform(60, 120) / max(1.0, height / 20)
        return pen.from_grey(image, height, hand, threshold, max(20.0, softness))

    def _skeleton(self, random: Random, label: int) -> Drawing:
        row = random.choice(self.drawable[label])

        def drawing(height: float, thickness: float, hand: Hand) -> Ink:
            if thickness >= FINE * height:
                return pen.from_distance(self.distances[row], height, thickness, hand)
            way = skeleton.lines(self.images[row]).reshape(-1, 2)
            ends = tuple(range(2, len(way) + 1, 2))
            return pen.draw(pen.upright(way), ends, height - thickness, thickness, hand)

        return drawing

    def _strokes(self, random: Random, label: int, writer: Writer) -> Drawing:
        form = self.forms[label][writer.forms[label] if label in writer.forms else self._form(random, label)]
        way = pen.upright(pen.written(form, random))
        return lambda height, thickness, hand: pen.draw(way, form.ends, max(1.0, height - thickness), thickness, hand)

    def _form(self, random: Random, label: int) -> int:
        return int(random.choice(len(self.forms[label]), p=self.chances[label]))

    def _hand(self, random: Random, writer: Writer) -> Hand:
        return Hand(writer.turn + random.normal(0, 0.04), writer.slant + random.normal(0, 0.05))

    def _from_font(self, random: Random, character: str, height: float, hand: Hand) -> Ink:
        font = self.fonts[random.integers(len(self.fonts))]
        return pen.from_picture(lettering.render(font, character, FONT_SIZE), height, hand)


def _digit_forms(label: int) -> list[Style]:
    texts = strokes.DIGITS[label] + alphabet.EXTRA_DIGITS[label]
    return _parsed(texts + strokes.STICKS if label == 1 else texts)


def _chances(label: int) -> npt.NDArray[np.float64]:
    """The probability of each form of a class."""
    forms = _digit_forms(label)
    weights = np.ones(len(forms))
    if label in CALCULATOR:
        weights[CALCULATOR[label]] = RARE
    if label == 0:
        weights[[len(form.ends) > 1 for form in forms]] = MARKED
    if label == 1:
        plain = np.array([len(form.ends) == 1 and np.ptp(form.points[:, 0]) < 0.1 for form in forms])
        weights = np.array([LONG if _reaches_down(form) else 1.0 for form in forms]) * ~plain
        weights = np.where(plain, PLAIN / plain.sum(), (1 - PLAIN) * weights / weights.sum())
    chances: npt.NDArray[np.float64] = weights / weights.sum()
    return chances


def _reaches_down(form: Style) -> bool:
    """Whether a one begins with an upstroke of more than half its height."""
    return bool(form.points[0, 1] > 0.5 and np.ptp(form.points[:, 0]) > 0.25)


def _parsed(texts: tuple[str, ...]) -> list[Style]:
    return [parse(text) for text in texts]


def _any(forms: list[Style], random: Random) -> Style:
    return forms[random.integers(len(forms))]
