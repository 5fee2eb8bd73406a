"""Stamps of one movement of a pen, at any size, with a pen of any width.

Sizes are in pixels, angles in radians, clockwise. `slant` is how far a stroke leans to the right, of its height;
`aspect` is the factor by which it is widened.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import Grey, Ink, Random
from digits.data.pages.stamps.skeleton import SIDE, SMOOTH, UNITS
from digits.data.synthetic.draw import Style

Way = npt.NDArray[np.float32]  # (T, 2): x, y of the pen, in heights of a digit

MIDDLE = np.float32(0.5)
FRACTION = 4  # fractional bits of the coordinates that OpenCV draws at
LYING = 0.6  # a sign wider than 1 / LYING of its height is scaled by its width, not by its height
BEYOND = 6  # pixels by which a map is padded: a bold pen that ends at its edge reaches over it

OUTSIDE = np.maximum(0, np.abs(np.arange(SIDE + 2 * BEYOND) - (SIDE + 2 * BEYOND - 1) / 2) - (SIDE - 1) / 2)
FARTHER = (UNITS * np.hypot(OUTSIDE[:, None], OUTSIDE)).astype(np.float32)  # distance from the edge of a map
STEPS = 4  # entries of the look-up table for each unit of a map
THICKER = 1.7  # pixels by which OpenCV draws a smooth line of an even thickness too thick: 1.4 to 1.9, by its angle
FINER = 1.6  # least factor by which strokes are drawn too large, so that their edges are smooth afterwards


class Hand(NamedTuple):
    """The transformation of a stamp: turn, slant and aspect."""

    turn: float = 0.0
    slant: float = 0.0
    aspect: float = 1.0

    def matrix(self, scale: float = 1.0) -> npt.NDArray[np.float64]:
        """The matrix (2, 2) for columns x, y: widened, then slanted, then turned."""
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        bent = np.array([[self.aspect, -self.slant], [0.0, 1.0]])
        turned: npt.NDArray[np.float64] = np.array([[cosine, -sine], [sine, cosine]]) @ bent
        return scale * turned


def trim(ink: Ink, least: float = 0.15) -> Ink:
    """The part with ink: its outermost rows and columns have a pixel of at least `least`, or half the maximum."""
    there = ink >= min(least, float(ink.max(initial=0.0)) / 2 + 1e-6)
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    if not len(rows):
        return np.zeros((0, 0), np.float32)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def from_distance(distances: Grey, height: float, pen: float, hand: Hand) -> Ink:
    """A digit from a map of `distance_maps`, (56, 56), with a pen of width `pen`; `height` includes the pen."""
    near = distances < (SMOOTH + 0.5) * UNITS
    top, bottom, left, right = _extent(near)
    long = max(bottom - top, LYING * (right - left), 4.0)
    scale = max(1.0, height - pen) / long
    middle = ((left + right) / 2 + BEYOND, (top + bottom) / 2 + BEYOND)
    margin = pen / 2 / scale + 2
    half = ((right - left) / 2 + margin, (bottom - top) / 2 + margin)
    wider = cv2.copyMakeBorder(distances, BEYOND, BEYOND, BEYOND, BEYOND, cv2.BORDER_REPLICATE) + FARTHER
    how = cv2.INTER_LANCZOS4 if pen / scale < 4 else cv2.INTER_CUBIC  # a thin line is a narrow valley of the map
    warped = _warp(np.asarray(wider, np.float32), hand.matrix(scale), middle, half, 255.0, how)
    away = SHARP.take((warped * STEPS).astype(np.int16), mode="clip") * np.float32(scale)  # in pixels of the stamp
    return trim(np.clip(np.float32(pen / 2 + 0.5) - away, 0, 1))


def from_grey(image: Grey, height: float, hand: Hand, threshold: float, softness: float) -> Ink:
    """A digit uint8 (28, 28) with its own grey levels: enlarged, then binarized at a threshold, 0..255.

    The transition from no ink to full ink takes `softness` grey levels: fewer make a sharper edge.
    """
    top, bottom, left, right = _extent(image > threshold / 2)
    high, wide = bottom - top + 1, right - left + 1
    scale = height / max(high, LYING * wide)
    if scale < 0.7:  # every new pixel is the mean over its area
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale).astype(np.uint8)
    middle, half = ((left + right) / 2, (top + bottom) / 2), (wide / 2 + 2, high / 2 + 2)
    warped = _warp(image.astype(np.float32), hand.matrix(scale), middle, half, 0.0)
    if scale > 1.2:  # smooths the staircase of its pixels
        warped = np.asarray(cv2.GaussianBlur(warped, (0, 0), 0.45 * scale), np.float32)
    return trim(np.clip((warped - np.float32(threshold)) / np.float32(softness) + MIDDLE, 0, 1))


def from_picture(picture: Grey, height: float, hand: Hand) -> Ink:
    """A stamp, `height` tall, of a font's picture: white on black, uint8 (H, W), cropped to its ink."""
    scale = height / picture.shape[0]
    if scale < 0.7:
        shrunk = max(1, round(picture.shape[1] * scale)), max(1, round(height))
        picture, scale = cv2.resize(picture, shrunk, interpolation=cv2.INTER_AREA).astype(np.uint8), 1.0
    high, wide = picture.shape
    middle, half = ((wide - 1) / 2, (high - 1) / 2), (wide / 2 + 1, high / 2 + 1)
    return trim(_warp(_shares(picture), hand.matrix(scale), middle, half, 0.0))


def written(style: Style, random: Random, spread: float = 0.2, narrowest: float = 0.6) -> Way:
    """A style as one hand writes it: every point displaced a little, the width varied by `spread`, with a tremor."""
    off = random.uniform(0.01, 0.045) * random.standard_normal(style.points.shape)
    way = style.weights @ (style.points + off)
    if random.random() < 0.2:  # of a mouse, smoothed a little
        wobble = random.standard_normal((len(way) + 2, 2))
        way += (wobble[2:] + wobble[1:-1] + wobble[:-2]) * random.uniform(0.001, 0.007)
    way[:, 0] *= np.clip(random.normal(1.05, spread), narrowest, 1.6)
    return way.astype(np.float32)


def upright(way: Way) -> Way:
    """The path scaled to one height, or by its width if it is far wider than tall."""
    wide, high = np.ptp(way, axis=0).tolist()
    return way / np.float32(max(high, LYING * wide, 0.05))


def draw(way: Way, ends: tuple[int, ...], height: float, pen: float, hand: Hand) -> Ink:
    """Strokes drawn with smooth edges: `height` pixels for a height of the path, plus the pen's width.

    They are drawn with a line width of OpenCV's, on a canvas enlarged by the factor by which that is too thick.
    """
    thickness = max(2, 2 * math.ceil((pen * (FINER if pen < 12 else 1) - THICKER) / 2))
    finer = (thickness + THICKER) / pen
    pixels = way @ hand.matrix(height * finer).T.astype(np.float32)
    canvas = _canvas(pixels, ends, thickness, cv2.LINE_AA)
    high, wide = (math.ceil(side / finer) for side in canvas.shape)
    larger = cv2.copyMakeBorder(
        canvas,
        *(0, round(high * finer) - canvas.shape[0], 0, round(wide * finer) - canvas.shape[1]),
        cv2.BORDER_CONSTANT,
    )
    return trim(_shares(cv2.resize(larger, (wide, high), interpolation=cv2.INTER_AREA).astype(np.uint8)))


def draw_pixels(way: Way, ends: tuple[int, ...], height: float, pen: int, skipped: int, hand: Hand) -> Ink:
    """Strokes drawn with a mouse and a square pen on a small canvas, from every `skipped`th point: with steps."""
    pixels = way @ hand.matrix(height).T.astype(np.float32)
    taken, starts = [], (0, *ends)
    for start, end in zip(starts, ends, strict=False):
        taken.append(np.unique(np.append(np.arange(start, end, skipped), end - 1)))
    lengths = np.cumsum([len(part) for part in taken]).tolist()
    canvas = _canvas(pixels[np.concatenate(taken)], tuple(lengths), 1, cv2.LINE_8, margin=pen)
    return trim(_shares(cv2.dilate(canvas, np.ones((pen, pen), np.uint8)).astype(np.uint8)))


def enlarge(ink: Ink, times: int) -> Ink:
    """Every pixel a square of `times` by `times`."""
    return np.repeat(np.repeat(ink, times, axis=0), times, axis=1)


def loops(ink: Ink, least: int = 4) -> int:
    """The number of loops of a stamp: enclosed parts of the ground, of `least` pixels or more."""
    ground = cv2.copyMakeBorder((ink < MIDDLE).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, _, sizes, _ = cv2.connectedComponentsWithStats(ground, connectivity=4)
    return int((sizes[1:, cv2.CC_STAT_AREA] >= least).sum()) - 1


def _canvas(pixels: Way, ends: tuple[int, ...], thickness: int, edges: int, margin: int = 2) -> Grey:
    """Lines through pixels (T, 2) on a canvas of their size."""
    around = thickness / 2 + margin
    corner = pixels.min(axis=0) - around
    wide, high = np.ceil(pixels.max(axis=0) - corner + around).astype(int).tolist()
    canvas = np.zeros((high + 1, wide + 1), np.uint8)
    fixed = np.rint((pixels - corner) * (1 << FRACTION)).astype(np.int32)
    strokes = [fixed[start:end] for start, end in zip((0, *ends), ends, strict=False)]
    cv2.polylines(canvas, strokes, False, 255, thickness, edges, FRACTION)
    return canvas


def _shares(grey: Grey) -> Ink:
    """Grey levels 0..255 as ink 0..1."""
    return grey.astype(np.float32) * np.float32(1 / 255)


def _extent(there: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """First and last row, first and last column of a mask's true pixels; of the whole mask without any."""
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    if not len(rows):
        return 0.0, there.shape[0] - 1.0, 0.0, there.shape[1] - 1.0
    return float(rows[0]), float(rows[-1]), float(columns[0]), float(columns[-1])


def _warp(
    picture: Ink,
    matrix: npt.NDArray[np.float64],
    middle: tuple[float, float],
    half: tuple[float, float],
    border: float,
    how: int | None = None,
) -> Ink:
    """The part of a picture within `half` of its `middle` (x, y), under a matrix (2, 2), on a canvas of its size."""
    reach = np.abs(matrix) @ np.array(half)  # of a box's corners
    wide, high = math.ceil(2 * reach[0]) + 1, math.ceil(2 * reach[1]) + 1
    shift = np.array([(wide - 1) / 2, (high - 1) / 2]) - matrix @ np.array(middle)
    affine = np.column_stack([matrix, shift])
    if how is None:
        how = cv2.INTER_CUBIC if np.linalg.det(matrix) > 4 else cv2.INTER_LINEAR
    warped = cv2.warpAffine(picture, affine, (wide, high), flags=how, borderValue=border)
    return np.asarray(warped, np.float32)


def _smoothed(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values of a smoothed map at distances (N,) from a straight line: the mean of |distance + SMOOTH z|, z normal."""
    ratios = distances / SMOOTH
    slopes = np.array([math.erf(ratio / math.sqrt(2)) for ratio in ratios.tolist()])
    shown: npt.NDArray[np.float64] = SMOOTH * math.sqrt(2 / math.pi) * np.exp(-(ratios**2) / 2) + distances * slopes
    return shown


def _sharp() -> Way:
    """The distance in pixels of a map for each of its values, in steps of 1 / STEPS of its units."""
    distances = np.linspace(0, 256 / UNITS, 4096)
    return np.interp((np.arange(256 * STEPS) + 0.5) / STEPS / UNITS, _smoothed(distances), distances).astype(np.float32)


SHARP = _sharp()
