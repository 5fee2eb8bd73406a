"""The surroundings of the paper: the desk beyond its edges, and hands and things that reach in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from digits.data.pages.page import Grey, Page, Random
from digits.data.pages.paper.light import Field, blur, gradient, log_uniform, soft_mask
from digits.data.pages.paper.shapes import OUTLINED, REACHING, SHAPES, skin
from digits.data.pages.paper.textures import plain, texture

__all__ = ["Scenery", "cover", "drawing", "texture", "things"]

OPAQUE = 24  # of 255: from this level on a mask hides what is below it

FREE = 0.4  # least share of the page on which nothing lies


@dataclass
class Scenery:
    """The things on and around a page: masks uint8 (H, W), 255 where opaque."""

    desk: Grey | None = None  # beyond the paper's edges
    things: list[Grey] = field(default_factory=list)

    def cut_out(self, left: int, top: int, right: int, bottom: int) -> None:
        """Keep the part [top:bottom, left:right] only, as `Page.cut_out` does."""
        part = np.s_[top:bottom, left:right]
        self.desk = None if self.desk is None else np.ascontiguousarray(self.desk[part])
        self.things = [np.ascontiguousarray(mask[part]) for mask in self.things]

    def over(self, paper: Field, random: Random) -> Field:
        """The paper (H, W) with all things around it and on it, and their shadows."""
        if self.desk is not None and self.desk.any():
            paper = self._beyond(paper, self.desk, random)
        for mask in self.things:
            if mask.any():
                shadow = shadow_of(mask, random)
                paper = lay(paper * (1 - np.float32(random.uniform(0, 0.5)) * shadow), mask, skin(random, mask))
        return paper

    @staticmethod
    def _beyond(paper: Field, desk: Grey, random: Random) -> Field:
        """The paper with the desk around it, sometimes with the paper's shadow."""
        plain = random.random() < 0.2  # a desk that looks nearly as the paper does
        height, width = paper.shape
        look = paper.mean() * random.uniform(0.7, 1.15) * gradient(random, height, width, 0.2) if plain else None
        look = texture(random, height, width) if look is None else look.astype(np.float32)
        if random.random() < 0.6:
            look = look * (1 - np.float32(random.uniform(0.1, 0.6)) * shadow_of(255 - desk, random))
        return lay(paper, desk, look)


def lay(below: Field, mask: Grey, above: Field) -> Field:
    """`above` where the mask is opaque, `below` elsewhere."""
    share = mask.astype(np.float32) * np.float32(1 / 255)
    return below + (above - below) * share


def shadow_of(mask: Grey, random: Random) -> Field:
    """A mask's shadow (H, W), 0..1: softer than its edge and a little beside it."""
    height, width = mask.shape
    scale = 4 if min(mask.shape) >= 64 else 1
    small = cv2.resize(mask, (max(1, width // scale), max(1, height // scale)), interpolation=cv2.INTER_AREA)
    side = max(height, width)
    beside = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    beside[:, 2] = random.normal(0, 0.02 * side / scale, 2)
    soft = cv2.GaussianBlur(small, (0, 0), log_uniform(random, 0.003, 0.04) * side / scale + 0.3)
    moved = cv2.warpAffine(soft, beside, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(moved, (width, height)).astype(np.float32) * np.float32(1 / 255)


def cover(page: Page, random: Random) -> Scenery:
    """Decide what lies on a page and mark that as covered, before anything is written on it."""
    scenery = Scenery()
    height, width = page.size
    if random.random() < 0.42:
        desk = desk_mask(random, height, width)
        if (desk < OPAQUE).mean() > FREE:
            scenery.desk = desk
    if random.random() < 0.25:
        for _ in range(int(random.choice([1, 1, 2, 3]))):
            mask = reach_in(random, height, width)
            hidden = mask if scenery.desk is None else np.maximum(mask, scenery.desk)
            if (np.maximum(hidden, page.covered.astype(np.uint8) * 255) < OPAQUE).mean() > FREE:
                scenery.things.append(mask)
                page.covered |= spread(mask)
    if scenery.desk is not None:
        page.covered |= spread(scenery.desk)
    return scenery


def spread(mask: Grey) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """The pixels that a mask hides, and those next to them, over which its edge blurs."""
    grown = cv2.dilate(mask, np.ones((5, 5), np.uint8))
    hidden: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = grown >= OPAQUE
    return hidden


def desk_mask(random: Random, height: int, width: int) -> Grey:
    """A mask, 255 beyond those edges of a paper that are in the picture: one to three, seldom all four."""
    sides = random.permutation(4)[: int(random.choice([1, 1, 2, 2, 3, 4]))]
    turn = random.normal(0, 0.12)
    hidden = np.zeros((height, width), np.float32)
    for side in sides:
        angle = side * math.pi / 2 + turn + random.normal(0, 0.03)
        out, along = (np.array([math.cos(a), math.sin(a)]) for a in (angle, angle + math.pi / 2))
        middle = np.array([width, height]) / 2 + out * random.uniform(0.22, 0.5) * (width, height)[int(side) % 2]
        far = 2.0 * (width + height)
        corners = [middle + along * far, middle - along * far, middle - along * far + out * far]
        outline = np.array([*corners, middle + along * far + out * far])
        np.maximum(hidden, soft_mask(outline, height, width, random.uniform(0, 1)), out=hidden)
    return (hidden * 255).astype(np.uint8)


def reach_in(random: Random, height: int, width: int) -> Grey:
    """A mask of a hand, a finger, a pen or another thing that reaches in from the border."""
    side, place, deep = int(random.integers(4)), random.uniform(0.05, 0.95), random.uniform(-0.05, 0.12)
    x, y = [(place, deep), (1 - deep, place), (place, 1 - deep), (deep, place)][side]
    inwards = [math.pi / 2, math.pi, -math.pi / 2, 0][side] + random.normal(0, 0.4)
    size = random.uniform(0.1, 0.3) * min(height, width)
    return SHAPES[int(random.choice(len(SHAPES), p=REACHING))](
        random, np.zeros((height, width), np.uint8), (x * width, y * height), inwards, size
    )


def things(random: Random, height: int, width: int) -> Field:
    """A picture 0..1 of hands, leaves and other things on a surface."""
    picture = texture(random, height, width) if random.random() < 0.6 else plain(random, height, width)
    for _ in range(int(random.integers(1, 7))):
        mask = np.zeros((height, width), np.uint8)
        start = (random.uniform(-0.1, 1.1) * width, random.uniform(-0.1, 1.1) * height)
        size = log_uniform(random, 0.12, 0.6) * max(height, width)
        shape = SHAPES[int(random.integers(len(SHAPES)))]
        mask = shape(random, mask, start, random.uniform(0, 2 * math.pi), size)
        picture = picture * (1 - np.float32(random.uniform(0, 0.5)) * shadow_of(mask, random))
        picture = lay(picture, mask, skin(random, mask) if random.random() < 0.8 else texture(random, height, width))
    return picture


def drawing(random: Random, height: int, width: int) -> Field:
    """A drawing 0..1 of things by their outlines, black on white: strokes like a pen's, but no writing."""
    beyond = 8  # pixels of margin, so that no outline runs along the border
    lines = np.zeros((height + 2 * beyond, width + 2 * beyond), np.uint8)
    pen = max(1, round(log_uniform(random, 0.004, 0.03) * max(height, width)))
    for _ in range(int(random.integers(1, 4))):
        mask = np.zeros_like(lines)
        for _ in range(int(random.integers(2, 5))):  # outlines of several things together look like no single sign
            start = (random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height)
            size = random.uniform(0.15, 0.35) * max(height, width)
            shape = SHAPES[int(random.choice(len(SHAPES), p=OUTLINED))]
            shape(random, mask, start, random.uniform(0, 2 * math.pi), size)
        outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        lines[mask > 0] = 0  # what lies behind is hidden
        cv2.drawContours(lines, outlines, -1, 255, pen, cv2.LINE_AA)
    lines = lines[beyond:-beyond, beyond:-beyond]
    ink = blur(lines.astype(np.float32), random.uniform(0, 1)) * np.float32(random.uniform(0.3, 1) / 255)
    return 1 - ink
