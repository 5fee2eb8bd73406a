"""The picture of a written page as a camera, a scanner or a screen gives it.

Everything is random, within one bound: a person can still read the writing. Blur is bounded by the digits' height.
Noise and the paper's grain are bounded by the ink's contrast: a piece of a stroke stands out of them by `CLEAR` times
their standard deviation, and by `LEAST_STEP` grey levels where the light is weakest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from digits.data.pages.page import Grey, Ink, Page, Random
from digits.data.pages.paper.guides import pencilled
from digits.data.pages.paper.light import (
    Field,
    blur,
    compress,
    creases,
    cup_ring,
    gradient,
    grain,
    log_uniform,
    reflection,
    shade,
    to_grey,
)
from digits.data.pages.paper.scenery import Scenery

CLEAR = 4.0  # least contrast of the ink, in standard deviations of the noise averaged over a piece of a stroke
LEAST_STEP = 8.0  # of 255 grey levels
MOST_BLUR = 0.05  # of the digits' height: the most that a stroke is blurred; nor is it by more than the pen's width

KINDS = {"photograph": 0.65, "screen": 0.2, "scan": 0.07, "board": 0.08}  # shares of pages


class Writing(NamedTuple):
    """The size of the writing on a page, in pixels."""

    height: float  # of its smaller digits
    pen: float  # thickness of strokes

    @classmethod
    def on(cls, page: Page) -> Writing:
        """Measure a page; the pen is the area over half the outline's length."""
        height = float(np.quantile([box[3] for box in page.boxes], 0.2)) if page.boxes else 0.2 * min(page.size)
        area = float(np.vdot(page.ink, page.ink))  # squared, since a thin line is wide and pale between two rows
        # a line of length l at any angle has an outline of 2 l, and 4/pi of that along rows and columns
        steps = float(np.abs(np.diff(page.ink, axis=0)).sum() + np.abs(np.diff(page.ink, axis=1)).sum())
        return cls(height, max(1.0, 8 / math.pi * area / steps) if steps > 0 else 0.1 * height)

    def blur(self, random: Random, low: float, high: float) -> float:
        """A blur's standard deviation, from `low` to `high`, or the most that leaves the writing legible."""
        return min(random.uniform(low, high), MOST_BLUR * self.height, self.pen)

    def kept(self, sigma: float) -> float:
        """The share of a stroke's contrast that a blur leaves."""
        return self.pen / math.hypot(self.pen, 2.5 * sigma)

    def most_noise(self, contrast: float, size: float = 0.0) -> float:
        """The largest deviation of noise, smooth over `size` pixels, from which `contrast` still stands out."""
        piece = 2.0 * max(1.0, self.pen) ** 2  # pixels: a stroke as long as twice the pen
        return contrast / CLEAR * math.sqrt(1 + piece / (1 + 4 * math.pi * size**2))


def render(page: Page, scenery: Scenery, random: Random) -> Grey:
    """A picture (H, W) of the page, of one of `KINDS`."""
    kind = random.choice(list(KINDS), p=list(KINDS.values()))
    if kind in ("photograph", "board"):
        return photograph(page, scenery, random) if kind == "photograph" else board(page, scenery, random)
    return screen(page, random) if kind == "screen" else scan(page, random)


def pen_contrast(random: Random) -> float:
    """The contrast of ink to paper, 0..1: hard pencils and pale pens, ordinary ones, black ones."""
    kind = random.random()
    if kind < 0.15:
        return log_uniform(random, 0.03, 0.15)
    return random.uniform(0.15, 0.35) if kind < 0.35 else random.uniform(0.3, 0.95)


def paper_grain(random: Random, height: int, width: int, writing: Writing, contrast: float) -> Field:
    """The unevenness of paper as a factor: mostly slight, sometimes rough, never hiding the writing."""
    size, rough = log_uniform(random, 0.5, 5), random.random() < 0.15
    along = float(random.choice([1, 1, 3]))
    most = writing.most_noise(contrast, size * math.sqrt(along)) / math.sqrt(2)
    strength = min(random.uniform(0.02, 0.12) if rough else random.uniform(0, 0.025), most * random.uniform(0.2, 1))
    noise = grain(random, height, width, size, along)
    if rough and random.random() < 0.4:
        noise = np.maximum(noise, np.float32(random.uniform(-1, 1.5)))
    return 1 + np.float32(strength) * noise


def photograph(page: Page, scenery: Scenery, random: Random, contrast: float | None = None) -> Grey:
    """The page on a desk, in any light, by a phone's camera. `contrast` is the pen's; None: random."""
    height, width = page.size
    writing = Writing.on(page)
    contrast = pen_contrast(random) if contrast is None else contrast
    sigma = writing.blur(random, 0.3, 2) if random.random() < 0.75 else 0.0
    low, high = (random.uniform(0, 0.3), random.uniform(0.6, 1)) if random.random() < 0.3 else (0.0, 1.0)
    tone = 1 - (0.55 if contrast > 0.15 else 0.35) * random.random() ** 2  # cameras seldom expose too little
    # the rest of the pen's contrast, in full light
    seen = contrast * tone * (high - low) * writing.kept(sigma)
    if seen < LEAST_STEP / 255:
        contrast, seen = min(1.0, contrast * LEAST_STEP / 255 / seen), LEAST_STEP / 255
    light = shade(random, height, width)
    darkest, least = float(light.min()), LEAST_STEP / 255 / seen
    if darkest < least:
        light = 1 - (1 - light) * np.float32((1 - least) / (1 - darkest))
        darkest = least
    image = written(page, random, contrast) * np.float32(tone)
    if random.random() < 0.6:
        image *= paper_grain(random, height, width, writing, contrast * writing.kept(sigma))
    if random.random() < 0.12:
        image *= 1 + np.float32(random.uniform(0.1, 0.6) * min(contrast, 0.4)) * creases(random, height, width)
    if random.random() < 0.04:
        image *= 1 - np.float32(random.uniform(0.1, 0.6) * contrast) * cup_ring(random, height, width)
    image = scenery.over(image, random) * light
    if contrast > 0.2 and random.random() < 0.08:
        image += (1 - image) * reflection(random, height, width)
    image = blur(image, sigma, sigma * random.uniform(0.5, 1) if random.random() < 0.2 else None)
    if random.random() < 0.12:  # a camera that sharpens
        image += np.float32(random.uniform(0.3, 1.2)) * (image - blur(image, random.uniform(0.8, 2)))
    if random.random() < 0.3:
        image = cv2.pow(np.clip(image, 0, 1), random.uniform(0.7, 1.4)).astype(np.float32)
    image = np.float32(low) + np.float32(high - low) * np.clip(image, 0, 1)
    return developed(image, random, writing, seen * darkest, inverted=random.random() < 0.2)


def written(page: Page, random: Random, contrast: float) -> Field:
    """The share of light that the page reflects, paper 1: ink absorbs `contrast` of it."""
    image = 1 - np.float32(contrast) * pencilled(page.ink, random, min(1.0, 3 * contrast))
    if page.printed.any():
        same = random.uniform(0.05, 0.8) * contrast  # print as pale as its pen
        strong = contrast > 0.15 and random.random() < 0.25
        image *= 1 - np.float32(random.uniform(0.1, 0.8) if strong else same) * page.printed
    return image


def developed(image: Field, random: Random, writing: Writing, seen: float, *, inverted: bool) -> Grey:
    """Add the sensor's noise, convert to 8 bits, then mostly to JPEG. `seen` is the ink's contrast in `image`, 0..1."""
    noise = min(log_uniform(random, 0.001, 0.035), writing.most_noise(seen) / math.sqrt(2) * random.uniform(0.2, 1))
    image += np.float32(noise) * random.standard_normal(image.shape, np.float32)
    grey = to_grey(1 - image if inverted else image)
    factor = min(writing.pen / 1.2, writing.height / 14, 6.0)
    if factor > 1.5 and random.random() < 0.1:
        return enlarged(grey, random, random.uniform(1.5, factor))
    if random.random() < 0.6:
        lowest = 35 if seen > 0.15 and writing.height > 18 else 60 if seen > 0.08 else 90
        grey = compress(grey, int(random.integers(lowest, 96)))
    return grey


def enlarged(grey: Grey, random: Random, factor: float) -> Grey:
    """The picture reduced by a factor, compressed as JPEG, and enlarged: soft, with coarse blocks."""
    height, width = grey.shape
    size = max(8, round(width / factor)), max(8, round(height / factor))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    small = compress(small, int(random.integers(60, 96)))
    way = int(random.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST]))
    return cv2.resize(small, (width, height), interpolation=way).astype(np.uint8, copy=False)


def screen(page: Page, random: Random) -> Grey:
    """The page drawn on a canvas: clean, of two greys, its edges sharp, smooth, in steps or soft."""
    writing = Writing.on(page)
    ink = np.maximum(page.ink, np.float32(random.uniform(0.2, 0.8)) * page.printed)
    edges = random.random()
    if edges < 0.3:
        ink = (page.ink > min(0.5, 0.3 * writing.pen)).astype(np.float32)  # thin lines fill no pixel
        ink = np.maximum(ink, np.float32(random.uniform(0.2, 0.8)) * (page.printed > 0.4))
    elif edges < 0.5:
        ink = blur(ink, writing.blur(random, 0.4, 2.5))
    elif edges < 0.6 and writing.pen >= 3 and writing.height >= 30:
        ink = in_steps(ink, int(random.integers(2, max(3, int(min(writing.pen, writing.height / 12)) + 1))))
    paper = float(random.choice([1, 1, 1, 0.95, 0.85, random.uniform(0.4, 1)]))
    contrast = 1.0 if random.random() < 0.65 else random.uniform(0.3, 1)
    if random.random() < 0.06:
        contrast = random.uniform(0.08, 0.3)
    image = np.float32(paper) * (1 - np.float32(contrast) * ink)
    if random.random() < 0.1:
        image *= gradient(random, *page.size, 0.3)
    if random.random() < 0.15:
        seen = paper * contrast * 0.7
        noise = min(random.uniform(0.002, 0.05), writing.most_noise(seen))
        image += np.float32(noise) * random.standard_normal(image.shape, np.float32)
    grey = to_grey(1 - image if random.random() < 0.45 else image)
    return compress(grey, int(random.integers(60, 96))) if random.random() < 0.3 else grey


def in_steps(ink: Ink, factor: int) -> Ink:
    """Ink drawn on a coarser canvas and enlarged without smoothing."""
    height, width = ink.shape
    coarse = cv2.resize(ink, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32, copy=False)


def scan(page: Page, random: Random) -> Grey:
    """The page scanned or photocopied: strong contrast, specks, streaks; sometimes pure black and white."""
    height, width = page.size
    writing = Writing.on(page)
    contrast = random.uniform(0.5, 0.95)
    image = 1 - np.float32(contrast) * pencilled(page.ink, random, 0.4)
    image *= 1 - np.float32(random.uniform(0.1, 0.7) * contrast) * page.printed
    sigma = writing.blur(random, 0, 1)
    contrast *= writing.kept(sigma) * min(1.0, 0.6 * writing.pen)
    image = blur(image, sigma)
    if random.random() < 0.3:  # streaks of the glass and the rollers
        image += np.float32(random.uniform(0.01, 0.05)) * grain(random, height, 1, 0.7)
    noise = min(random.uniform(0.005, 0.12), writing.most_noise(0.6 * contrast))
    image += np.float32(noise) * grain(random, height, width, random.uniform(0.3, 0.8))
    if random.random() < 0.5:
        middle = 1 - contrast * random.uniform(0.35, 0.5)
        if random.random() < 0.6:
            image = (image > middle).astype(np.float32)
        else:
            image = 0.5 + (image - np.float32(middle)) * np.float32(random.uniform(2, 6))
    specks(image, random)
    if random.random() < 0.3:  # the lid's shadow along an edge
        edge = np.linspace(0, 1, width, dtype=np.float32)[:: int(random.choice([-1, 1]))]
        image = image - np.maximum(0, 1 - edge * np.float32(random.uniform(15, 60))) * np.float32(
            random.uniform(0.2, 0.9)
        )
    grey = to_grey(1 - image if random.random() < 0.1 else image)
    return compress(grey, int(random.integers(50, 96))) if random.random() < 0.5 else grey


def specks(image: Field, random: Random) -> None:
    """Put specks of dust and toner on a picture, in place: one or two pixels, black on white and white on black."""
    height, width = image.shape
    number = int(height * width * log_uniform(random, 1e-5, 3e-3))
    rows, columns = random.integers(0, height, number), random.integers(0, width, number)
    image[rows, columns] = random.integers(0, 2, number)
    bigger = number // 4
    image[np.minimum(rows[:bigger] + 1, height - 1), columns[:bigger]] = image[rows[:bigger], columns[:bigger]]


def board(page: Page, scenery: Scenery, random: Random) -> Grey:
    """The page as a blackboard with grainy chalk and smears, or as a shiny whiteboard."""
    height, width = page.size
    writing = Writing.on(page)
    chalk = random.random() < 0.65
    ink = page.ink
    if chalk:
        holes = grain(random, height, width, log_uniform(random, 0.4, max(0.5, min(2.0, 0.3 * writing.pen))))
        ink = ink * np.clip(random.uniform(0.6, 1.2) - np.float32(random.uniform(0.1, 0.6)) * holes, 0.15, 1)
    contrast = random.uniform(0.35, 0.9) if chalk else random.uniform(0.4, 0.95)
    ground = random.uniform(0.02, 0.35) if chalk else random.uniform(0.02, 0.2)  # how far from black, or from white
    wiped = ground + np.float32(random.uniform(0, 0.15)) * smears(page, random)
    image = wiped + (np.float32(min(1.0, ground + contrast)) - wiped) * np.maximum(ink, 0.6 * page.printed)
    image = image if chalk else 1 - image
    image = scenery.over(image, random) * np.maximum(shade(random, height, width), np.float32(0.4))
    if random.random() < (0.3 if chalk else 0.6):
        image += (1 - image) * np.float32(0.8) * reflection(random, height, width)
    image = blur(image, writing.blur(random, 0, 1.5))
    seen = 0.4 * contrast * 0.5 * writing.kept(0.7)
    return developed(image, random, writing, seen, inverted=random.random() < 0.1)


def smears(page: Page, random: Random) -> Field:
    """The smears of wiping a board, 0..1: clouds and streaks of chalk, and writing smeared beyond recognition."""
    height, width = page.size
    clouds: Field = np.clip(0.5 + 0.4 * grain(random, height, width, random.uniform(8, 40), random.uniform(1, 5)), 0, 1)
    streaks: Field = np.clip(
        0.3 + 0.3 * grain(random, height, width, random.uniform(0.6, 3), random.uniform(8, 40)), 0, 1
    )
    long = 2 * (max(height, width) // 10) + 1
    drawn_out = cv2.blur(page.ink, (long, max(1, long // 3))).astype(np.float32)
    return clouds * streaks + np.float32(random.uniform(0, 2)) * drawn_out
