"""Things that lie on a page or reach into the picture: their outlines and their surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from digits.data.pages.page import Grey, Random
from digits.data.pages.paper.light import FRACTION, Field, blur, fixed, grain, log_uniform

Shape = Callable[[Random, Grey, tuple[float, float], float, float], Grey]
"""Draws a thing on a mask, from its start x, y, the direction that it points to, and its size in pixels."""


def finger(random: Random, mask: Grey, start: tuple[float, float], angle: float, size: float) -> Grey:
    """A finger: two joints, the outer one bent and a little thinner."""
    thick = max(1, round(size * random.uniform(0.35, 0.5)))
    bend = angle + random.normal(0, 0.2)
    knuckle = np.array(start) + size * random.uniform(0.5, 0.9) * np.array([math.cos(angle), math.sin(angle)])
    tip = knuckle + size * random.uniform(0.4, 0.7) * np.array([math.cos(bend), math.sin(bend)])
    points = fixed(np.array([start, knuckle, tip]))
    cv2.line(mask, points[0].tolist(), points[1].tolist(), 255, thick, cv2.LINE_AA, FRACTION)
    cv2.line(mask, points[1].tolist(), points[2].tolist(), 255, max(1, round(thick * 0.85)), cv2.LINE_AA, FRACTION)
    return mask


def hand(random: Random, mask: Grey, start: tuple[float, float], angle: float, size: float) -> Grey:
    """A palm and the fingers spread from it."""
    cv2.ellipse(mask, (start, (size * 2.2, size * random.uniform(1.4, 1.9)), math.degrees(angle)), 255, -1, cv2.LINE_AA)
    number, spread_by = int(random.integers(2, 6)), random.uniform(0.25, 0.5)
    for turn in (np.arange(number) - (number - 1) / 2) * spread_by:
        root = (start[0] + size * 0.8 * math.cos(angle + turn), start[1] + size * 0.8 * math.sin(angle + turn))
        finger(random, mask, root, angle + turn * 0.6, size * random.uniform(0.8, 1.1))
    return mask


def rod(random: Random, mask: Grey, start: tuple[float, float], angle: float, size: float) -> Grey:
    """A pen or a cable: long, thin, and with a tip."""
    way, side = (np.array([math.cos(a), math.sin(a)]) for a in (angle, angle + math.pi / 2))
    long, half = size * random.uniform(2, 5), max(1.5, size * random.uniform(0.08, 0.18))
    base, neck = np.array(start) - way * size, np.array(start) + way * long
    outline = np.array([base + side * half, base - side * half, neck - side * half, neck + way * half * 4])
    cv2.fillPoly(mask, [fixed(np.array([*outline, neck + side * half]))], 255, cv2.LINE_AA, FRACTION)
    return mask


def block(random: Random, mask: Grey, start: tuple[float, float], angle: float, size: float) -> Grey:
    """A ruler, a rubber, a telephone."""
    shape = (size * random.uniform(1, 4), size * random.uniform(0.5, 2))
    cv2.fillPoly(
        mask, [fixed(cv2.boxPoints((start, shape, math.degrees(angle))).astype(np.float64))], 255, cv2.LINE_AA, FRACTION
    )
    return mask


def disc(random: Random, mask: Grey, start: tuple[float, float], angle: float, size: float) -> Grey:
    """A cup, a coin, a lid."""
    axes = (size * random.uniform(1.2, 2.4), size * random.uniform(1.2, 2.4))
    cv2.ellipse(mask, (start, axes, math.degrees(angle)), 255, -1, cv2.LINE_AA)
    return mask


def leaf(random: Random, mask: Grey, start: tuple[float, float], angle: float, size: float) -> Grey:
    """A leaf: two curves from stalk to tip."""
    along = np.linspace(0, 1, 16)
    width = np.sin(along * math.pi) ** random.uniform(0.6, 1.4) * random.uniform(0.2, 0.5)
    bow = random.normal(0, 0.2) * np.sin(along * math.pi)
    outline = np.concatenate([np.stack([along, bow + width], 1), np.stack([along, bow - width], 1)[::-1]])
    way, side = (np.array([math.cos(a), math.sin(a)]) for a in (angle, angle + math.pi / 2))
    points = np.array(start) + size * 2 * (outline[:, :1] * way + outline[:, 1:] * side)
    cv2.fillPoly(mask, [fixed(points)], 255, cv2.LINE_AA, FRACTION)
    return mask


SHAPES: tuple[Shape, ...] = (finger, hand, rod, block, disc, leaf)
REACHING = (0.3, 0.15, 0.2, 0.2, 0.1, 0.05)  # shares of the shapes at a page's border
OUTLINED = (0.0, 0.4, 0.2, 0.4, 0.0, 0.0)  # of those whose outline is drawn: none as round as a zero


def skin(random: Random, mask: Grey) -> Field:
    """The surface (H, W) of a thing with this outline: rounded, lit from one side, with fine grain and creases."""
    height, width = mask.shape
    high, wide = max(2, height // 4), max(2, width // 4)
    small = cv2.resize(mask, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)
    round_ = blur(small, max(1.0, 0.03 * max(high, wide)))
    slope = cv2.Sobel(round_, cv2.CV_32F, 1, 0) * math.cos(turn := random.uniform(0, 2 * math.pi))
    slope = slope + cv2.Sobel(round_, cv2.CV_32F, 0, 1) * math.sin(turn)
    tone = random.uniform(0.1, 0.9)
    lit = tone * (0.55 + 0.45 * round_ + random.uniform(0, 1.2) * slope)
    look = cv2.resize(lit.astype(np.float32), (width, height))
    look = look * (
        1 + np.float32(random.uniform(0.005, 0.05)) * grain(random, height, width, log_uniform(random, 0.5, 4))
    )
    left, top, across, down = cv2.boundingRect(mask)
    lines = np.zeros_like(mask)
    for _ in range(int(random.integers(0, 9))):
        start = np.array([random.uniform(left, left + across), random.uniform(top, top + down)])
        angles = random.uniform(0, 2 * math.pi) + np.cumsum(random.normal(0, 0.3, 6))
        step = 0.06 * random.uniform(0.3, 1.5) * max(across, down)
        way = start + step * np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0)
        cv2.polylines(lines, [fixed(way)], False, int(random.integers(90, 256)), 1, cv2.LINE_AA, FRACTION)
    soft = cv2.GaussianBlur(lines, (0, 0), log_uniform(random, 0.5, 2)).astype(np.float32)
    clipped: Field = np.clip(look * (1 - soft * np.float32(random.uniform(0.1, 0.5) / 255)), 0, 1)
    return clipped
