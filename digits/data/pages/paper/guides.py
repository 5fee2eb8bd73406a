"""Marks on paper beside the writing: printed guides and patterns, and what a writer draws around digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import UNCLEAR, Grey, Ink, Page, Random
from digits.data.pages.paper.light import FRACTION, Field, fixed, grain, log_uniform

NARROWEST = 5.0  # pixels between two guides, below which they blur to grey

Line = npt.NDArray[np.float64]  # (n, 2): points x, y, in pixels from the middle of the page, before guides are turned


class Guides:
    """Lines and dots of a turned, slightly bowed grid on a layer (H, W) of print."""

    def __init__(self, page: Page, random: Random) -> None:
        height, width = page.size
        self.layer: Grey = np.zeros((height, width), np.uint8)
        self.middle = np.array([width, height]) / 2
        self.reach = 0.75 * max(height, width)  # beyond the corners, however it is turned
        turn = random.normal(0, random.choice([0.01, 0.06, 0.2], p=[0.6, 0.3, 0.1]))
        self.turned = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        self.bow = random.normal(0, 0.02) / self.reach if random.random() < 0.4 else 0.0  # a page that isn't flat

    def place(self, points: Line) -> Line:
        """Positions on the page of the grid's points."""
        bowed = points + np.stack([np.zeros(len(points)), self.bow * points[:, 0] ** 2], 1)
        placed: Line = bowed @ self.turned + self.middle
        return placed

    def line(self, points: Line, thickness: float, tone: float = 1.0) -> None:
        """Draw a line through points; one thinner than a pixel is paler."""
        level = round(255 * tone * min(1.0, max(0.3, thickness)))
        placed = [fixed(self.place(points))]
        cv2.polylines(self.layer, placed, False, level, max(1, round(thickness)), cv2.LINE_AA, FRACTION)

    def across(self, y: float, thickness: float, tone: float = 1.0) -> None:
        """Draw a line from the left to the right."""
        x = np.linspace(-self.reach, self.reach, 9 if self.bow else 2)
        self.line(np.stack([x, np.full(len(x), y)], 1), thickness, tone)

    def down(self, x: float, thickness: float, tone: float = 1.0) -> None:
        """Draw a line from the top to the bottom."""
        self.line(np.array([[x, -self.reach], [x, self.reach]]), thickness, tone)

    def steps(self, step: float, phase: float) -> npt.NDArray[np.float64]:
        """Positions `step` pixels apart over the whole page."""
        return np.arange(-self.reach + phase, self.reach, step)

    def print_on(self, page: Page, strength: float = 1.0) -> None:
        """Add the layer to the page's print."""
        np.maximum(page.printed, self.layer * np.float32(strength / 255), out=page.printed)


def rule(page: Page, random: Random, height: float) -> None:
    """Print guides on the page, as on ruled, squared, dotted or millimetre paper, for digits of `height` pixels."""
    guides, step = Guides(page, random), max(NARROWEST, height * log_uniform(random, 0.45, 2.6))
    thickness = random.uniform(0.5, 1) * max(1.0, step * random.choice([0.03, 0.06, 0.1], p=[0.6, 0.3, 0.1]))
    kind = random.choice(len(RULINGS), p=RULED)
    RULINGS[kind](guides, random, step, thickness)
    guides.print_on(page)


def ruled(guides: Guides, random: Random, step: float, thickness: float) -> None:
    """Draw lines across, and sometimes a margin."""
    for y in guides.steps(step, random.uniform(0, step)):
        guides.across(y, thickness)
    if random.random() < 0.4:
        margin = random.uniform(-0.6, 0.6) * guides.reach
        for x in (margin, margin + 3 * thickness)[: int(random.integers(1, 3))]:
            guides.down(x, thickness, random.uniform(0.5, 1))


def squared(guides: Guides, random: Random, step: float, thickness: float) -> None:
    """Draw squares, or rectangles, of lines across and down."""
    wide = step if random.random() < 0.7 else step * random.uniform(0.5, 2)
    for y in guides.steps(step, random.uniform(0, step)):
        guides.across(y, thickness)
    for x in guides.steps(max(NARROWEST, wide), random.uniform(0, wide)):
        guides.down(x, thickness)


def dotted(guides: Guides, random: Random, step: float, thickness: float) -> None:
    """Draw a dot at each corner of a grid, or lines of dots or dashes."""
    rows, size = guides.steps(step, random.uniform(0, step)), max(1, round(thickness * random.uniform(0.5, 1.5)))
    apart = step if random.random() < 0.5 else max(3.0, step * random.uniform(0.12, 0.3))
    columns = guides.steps(apart, random.uniform(0, apart))
    dash = 1.0 if apart == step else apart * random.choice([0.3, 0.5])  # a dash without length would not be drawn
    starts = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    ends = fixed(guides.place(starts + np.array([dash, 0])))
    lines = np.stack([fixed(guides.place(starts)), ends], 1)
    cv2.polylines(guides.layer, list(lines), False, 255, size, cv2.LINE_AA, FRACTION)


def millimetre(guides: Guides, random: Random, step: float, thickness: float) -> None:
    """Draw fine lines, every fifth or tenth of them strong."""
    fine, each = max(3.0, step / random.choice([2, 5])), int(random.choice([5, 10]))
    pale = random.uniform(0.25, 0.6)
    for draw in (guides.across, guides.down):
        for i, place in enumerate(guides.steps(fine, random.uniform(0, fine))):
            draw(place, thickness if i % each == 0 else 0.7, 1.0 if i % each == 0 else pale)


def staves(guides: Guides, random: Random, step: float, thickness: float) -> None:
    """Draw groups of lines: staves of music, or the four lines that children write on."""
    number, gap = int(random.choice([2, 3, 4, 5])), max(NARROWEST, step * random.uniform(0.25, 0.6))
    for y in guides.steps(gap * number + step * random.uniform(0.5, 1.5), random.uniform(0, step)):
        for i in range(number):
            guides.across(y + i * gap, thickness)


RULINGS: tuple[Callable[[Guides, Random, float, float], None], ...] = (ruled, squared, dotted, millimetre, staves)
RULED = (0.42, 0.3, 0.1, 0.09, 0.09)


def guilloche(page: Page, random: Random) -> None:
    """Print waves over the page, as on cheques and banknotes: fine, pale and regular."""
    height, width = page.size
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    pitches = (random.uniform(0.05, 0.8, 2) * random.choice([-1, 1], 2)).astype(np.float32)
    warp = np.float32(random.uniform(0, 4)) * grain(random, height, width, random.uniform(15, 60))
    waves = np.sin(across * pitches[0] + down * pitches[1] + warp)
    if random.random() < 0.5:
        waves = waves + np.sin(across * pitches[1] - down * pitches[0] + warp)
    steepness = np.float32(random.uniform(0.3, 1.5))
    pattern = np.clip((waves - np.float32(random.uniform(0, 0.9))) * steepness, 0, 1)
    np.maximum(page.printed, pattern * np.float32(random.uniform(0.15, 0.6)), out=page.printed)


def annotate(page: Page, random: Random, pen: float) -> None:
    """Draw by hand what people draw around numbers: a ring, a frame, a line below, beside, or through a mistake.

    A digit that is struck out becomes unclear; any other mark that would touch other ink is left out.
    """
    if not page.boxes:
        return
    chosen = int(random.integers(len(page.boxes)))
    box, thickness = np.array(page.boxes[chosen]), max(1, round(pen * random.uniform(0.5, 1.1)))
    same = [i for i, line in enumerate(page.lines) if line == page.lines[chosen] and line >= 0]
    if len(same) > 1 and random.random() < 0.6:
        box = around(page.boxes[i] for i in same)
    if random.random() < 0.12:
        strike(page, random, chosen, thickness)
        return
    kind = ANNOTATIONS[int(random.integers(len(ANNOTATIONS)))]
    layer = np.zeros(page.size, np.uint8)
    cv2.polylines(layer, [fixed(kind(box, random))], False, 255, thickness, cv2.LINE_AA, FRACTION)
    add_clear(page, layer)


def add_clear(page: Page, layer: Grey) -> bool:
    """Add a layer 0..255 to the ink, unless it crosses much other ink or a covered part of the page."""
    drawn = layer > 127
    if (drawn & page.covered).any() or (page.ink[drawn] > 0.5).sum() > 0.05 * drawn.sum():
        return False
    np.maximum(page.ink, layer * np.float32(1 / 255), out=page.ink)
    page.used |= drawn
    return True


def around(boxes: Iterable[tuple[float, float, float, float]]) -> npt.NDArray[np.float64]:
    """The box (centre x, centre y, width, height) around boxes."""
    every = np.array(list(boxes))
    low, high = (every[:, :2] - every[:, 2:] / 2).min(0), (every[:, :2] + every[:, 2:] / 2).max(0)
    return np.concatenate([(low + high) / 2, high - low])


def wobble(random: Random, number: int, size: float) -> Line:
    """The tremor of a hand along `number` points of a smooth line: (number, 2)."""
    steps = random.normal(0, 1, (number, 2))
    smooth = np.stack([np.convolve(steps[:, i], np.ones(5) / 5, "same") for i in range(2)], 1)
    return smooth * size


def ring(box: npt.NDArray[np.float64], random: Random) -> Line:
    """Points of a ring around a box; it seldom closes exactly."""
    turns = random.uniform(0, 2 * math.pi) + np.linspace(0, random.uniform(5.8, 7.2), 48)
    reach = box[2:] * 0.72 + box[3] * random.uniform(0.1, 0.35)
    grow = 1 + random.uniform(0, 0.1) * np.linspace(0, 1, 48)[:, None]
    points: Line = box[:2] + grow * reach * np.stack([np.cos(turns), np.sin(turns)], 1)
    return points + wobble(random, 48, 0.02 * box[3])


def frame(box: npt.NDArray[np.float64], random: Random) -> Line:
    """Points of a frame around a box."""
    away = box[2:] / 2 + box[3] * random.uniform(0.15, 0.45)
    corners = box[:2] + away * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    points: Line = corners + random.normal(0, 0.03 * box[3], (5, 2))
    return points


def underline(box: npt.NDArray[np.float64], random: Random) -> Line:
    """Points of a line below a box, or above it."""
    side = 1 if random.random() < 0.8 else -1
    y = box[1] + side * (box[3] / 2 + box[3] * random.uniform(0.12, 0.4))
    half = box[2] / 2 + box[3] * random.uniform(0, 0.8)
    x = np.linspace(box[0] - half, box[0] + half, 12)
    return np.stack([x, y + box[3] * random.normal(0, 0.06) * np.linspace(-1, 1, 12)], 1) + wobble(
        random, 12, 0.02 * box[3]
    )


def bracket(box: npt.NDArray[np.float64], random: Random) -> Line:
    """Points of a tall bracket or line to the left or right of a box."""
    side = random.choice([-1, 1])
    x = box[0] + side * (box[2] / 2 + box[3] * random.uniform(0.35, 0.7))
    half, hook = box[3] * random.uniform(0.8, 1.4), side * box[3] * random.uniform(0.15, 0.3)
    return np.array([[x - hook, box[1] - half], [x, box[1] - half], [x, box[1] + half], [x - hook, box[1] + half]])


ANNOTATIONS = (ring, frame, underline, bracket)


def strike(page: Page, random: Random, chosen: int, thickness: int) -> None:
    """Strike out a digit with a line, a cross or a scribble, which makes it unclear."""
    x, y, width, height = page.boxes[chosen]
    reach = np.array([width * 0.6 + 0.15 * height, height * 0.5])
    kind = random.random()
    if kind < 0.4:
        points = np.array([[-1.0, random.uniform(-0.5, 0.5)], [1.0, random.uniform(-0.5, 0.5)]])
    elif kind < 0.6:
        points = np.array([[-1, -1], [1, 1], [0, 0], [1, -1], [-1, 1]]) * 1.0
    else:
        number = int(random.integers(6, 14))
        points = np.stack([np.linspace(-1, 1, number), np.where(np.arange(number) % 2, 0.9, -0.9)], 1)
        points += random.normal(0, 0.15, points.shape)
    layer = np.zeros(page.size, np.uint8)
    cv2.polylines(layer, [fixed(np.array([x, y]) + points * reach)], False, 255, thickness, cv2.LINE_AA, FRACTION)
    layer[page.covered] = 0
    np.maximum(page.ink, layer * np.float32(1 / 255), out=page.ink)
    page.labels[chosen] = UNCLEAR


def pencilled(ink: Ink, random: Random, most: float = 1.0) -> Field:
    """Ink as from a pencil, a dry pen or a ballpoint: with holes from the paper's grain, streaks, or fading.

    `most` scales the loss; at 1 it is up to about half of the ink.
    """
    height, width = ink.shape
    kind = random.random()
    if kind < 0.5:  # ink of a uniform tone
        return ink
    if kind < 0.75:  # grain of the paper, or a pen that skips along one direction
        holes = grain(random, height, width, log_uniform(random, 0.5, 2), random.choice([1.0, 1.0, 4.0]))
        lost = np.float32(most * random.uniform(0.1, 0.6))
        left: Field = np.clip(1 - lost * np.maximum(0, holes + np.float32(random.uniform(-0.7, 0.5))), 0.25, 1)
        return ink * left
    fading = grain(random, height, width, random.uniform(4, 0.2 * max(height, width) + 5))
    left = np.clip(1 - np.float32(most * random.uniform(0.1, 0.35)) * (1 + fading), 0.4, 1)
    return ink * left
