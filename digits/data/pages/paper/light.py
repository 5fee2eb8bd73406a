"""Light and texture: noise of any grain, gradients, shadows, reflections, creases, the camera's blur and JPEG.

Slowly changing fields are made at a fraction of the picture's size and enlarged, so that a page takes milliseconds.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from digits.data.pages.page import Grey, Random

Field: TypeAlias = npt.NDArray[np.float32]
"""(H, W): a tone 0..1, or a factor for one, at every pixel."""

Points: TypeAlias = npt.NDArray[np.float64]
"""(n, 2): x, y in pixels."""

FRACTION = 4  # fractional bits of the coordinates that OpenCV draws at

DARKEST = 0.18  # least share of the light, where shadows overlap


def log_uniform(random: Random, low: float, high: float) -> float:
    """A number between `low` and `high`; each doubling is as likely as any other."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def fixed(points: Points) -> npt.NDArray[np.int32]:
    """Points as OpenCV takes them with `shift=FRACTION`."""
    return np.round(points * (1 << FRACTION)).astype(np.int32)


def grain(random: Random, height: int, width: int, size: float, along: float = 1.0) -> Field:
    """Noise of mean 0 and standard deviation 1, smooth over about `size` pixels down and `along` times that across."""
    scales = [max(1.0, size), max(1.0, size * along)]  # of a coarse pixel: down, across
    high, wide = (math.ceil(side / scale) + 3 for side, scale in zip((height, width), scales, strict=True))
    noise: Field = random.standard_normal((high, wide), np.float32)
    smooth = [min(1.0, size * factor) for factor in (1.0, along)]
    if max(smooth) > 0.35:
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=smooth[1], sigmaY=max(smooth[0], 0.01)).astype(np.float32)
    if max(scales) > 1:
        # from the middle, so that the enlarged border, which is repeated, is cut off
        turn = np.array([[1 / scales[1], 0, 1], [0, 1 / scales[0], 1]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        noise = cv2.warpAffine(noise, turn, (width, height), flags=flags).astype(np.float32)
    else:
        noise = noise[:height, :width]
    mean, deviation = cv2.meanStdDev(noise)
    return (noise - np.float32(mean[0, 0])) * np.float32(1 / (deviation[0, 0] + 1e-6))


def enlarge(field: Field, height: int, width: int) -> Field:
    """A coarse field enlarged to the size of the picture."""
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def gradient(random: Random, height: int, width: int, most: float) -> Field:
    """Factors from 1 down to no less than 1 - `most`, along a line in any direction."""
    angle, depth = random.uniform(0, 2 * math.pi), random.uniform(0, most)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(math.cos(angle) * depth)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(math.sin(angle) * depth)
    reach = np.float32(1 - depth * (abs(math.cos(angle)) + abs(math.sin(angle))) / 2)
    field: Field = (reach + across) + down[:, None]
    return np.maximum(field, np.float32(1 - most))


def soft_mask(polygon: Points, height: int, width: int, softness: float) -> Field:
    """A filled polygon, 0..1, whose edge is `softness` pixels wide (standard deviation)."""
    scale = 1 if softness < 4 else 4 if softness < 16 else 8
    mask = np.zeros((math.ceil(height / scale) + 1, math.ceil(width / scale) + 1), np.uint8)
    cv2.fillPoly(mask, [fixed(polygon / scale)], 255, cv2.LINE_AA, FRACTION)
    if softness > 0.4:
        mask = cv2.GaussianBlur(mask, (0, 0), softness / scale).astype(np.uint8)
    field: Field = mask.astype(np.float32) * np.float32(1 / 255)
    if scale > 1:
        field = cv2.resize(field, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return np.ascontiguousarray(field[:height, :width])


def shadow_outline(random: Random, height: int, width: int) -> Points:
    """The outline of a thing between the lamp and the page: an edge, a corner, a bar, or a round thing."""
    middle = np.array([random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height])
    far, angle = 2.0 * (height + width), random.uniform(0, 2 * math.pi)
    kind = random.random()
    if kind < 0.5:  # an edge, or the corner between two
        spread = math.pi if kind < 0.3 else random.uniform(0.5, 2.4)
        angles = np.linspace(angle, angle + spread, 5)
        rays = np.stack([np.cos(angles), np.sin(angles)], 1)
        return np.concatenate([middle[None], middle + far * rays])
    if kind < 0.7:  # a bar: an arm, a lamp's stand, a window's frame
        way = np.array([math.cos(angle), math.sin(angle)])
        side = np.array([-way[1], way[0]]) * random.uniform(0.04, 0.25) * max(height, width)
        return np.array([middle + far * way, middle - far * way, middle - far * way + side, middle + far * way + side])
    turns = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    radii = random.uniform(0.15, 0.5) * max(height, width) * (1 + random.uniform(0, 0.4) * np.sin(turns * 2 + angle))
    outline: Points = middle + radii[:, None] * np.stack([np.cos(turns), np.sin(turns) * random.uniform(0.4, 1)], 1)
    return outline


def shade(random: Random, height: int, width: int) -> Field:
    """The light on each pixel, from 1 down to `DARKEST`: uneven light, a vignette, soft and hard shadows."""
    coarse = math.ceil(height / 8) + 1, math.ceil(width / 8) + 1
    field = gradient(random, *coarse, 0.6)
    if random.random() < 0.25:  # vignette
        across = np.linspace(-1, 1, coarse[1], dtype=np.float32) ** 2
        down = np.linspace(-1, 1, coarse[0], dtype=np.float32) ** 2
        field = field * (1 - np.float32(random.uniform(0.05, 0.3)) * (across + down[:, None]))
    if random.random() < 0.3:  # a page that isn't flat
        field = field * (1 + np.float32(random.uniform(0.02, 0.1)) * grain(random, *coarse, random.uniform(4, 15)))
    field = enlarge(field, height, width)
    for _ in range(int(random.choice([0, 0, 0, 1, 1, 2, 3]))):
        outline, softness = shadow_outline(random, height, width), log_uniform(random, 0.3, 40)
        field *= 1 - np.float32(random.uniform(0.08, 0.6)) * soft_mask(outline, height, width, softness)
    return np.clip(field, np.float32(DARKEST), np.float32(1))


def reflection(random: Random, height: int, width: int) -> Field:
    """The reflections of a lamp or a window: 0 none .. 1 white, seldom more than half of that."""
    field = np.zeros((height, width), np.float32)
    for _ in range(int(random.integers(1, 4))):
        outline, softness = shadow_outline(random, height, width), log_uniform(random, 2, 40)
        np.maximum(field, random.uniform(0.05, 0.5) * soft_mask(outline, height, width, softness), out=field)
    return field


def shifted(field: Field, by: int) -> Field:
    """A field moved right and down by some pixels, its border repeated."""
    wider = cv2.copyMakeBorder(field, by, 0, by, 0, cv2.BORDER_REPLICATE).astype(np.float32, copy=False)
    return wider[:-by, :-by]


def creases(random: Random, height: int, width: int) -> Field:
    """The creases of folded or crumpled paper: -1 dark .. 1 bright. They cross much of the page, unlike strokes."""
    field = np.zeros((height, width), np.float32)
    reach = np.array([width, height])
    for _ in range(int(random.integers(1, 7))):
        mask = np.zeros((height, width), np.uint8)
        start, angle = random.uniform(0, 1, 2) * reach, random.uniform(0, 2 * math.pi)
        step = max(height, width) * random.uniform(0.1, 0.3)
        angles = angle + np.cumsum(random.normal(0, random.choice([0.01, 0.25]), 8))
        way = start + step * np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0)
        cv2.polylines(mask, [fixed(way)], False, 255, int(random.integers(1, 4)), cv2.LINE_AA, FRACTION)
        soft = cv2.GaussianBlur(mask, (0, 0), log_uniform(random, 0.6, 4)).astype(np.float32)
        dark = soft * np.float32(random.uniform(0.3, 1) * random.choice([-1, 1]) / 255)
        field += dark
        if random.random() < 0.6:  # one side of the fold in the light, the other one not
            field -= shifted(dark, 1)
    return field


def cup_ring(random: Random, height: int, width: int) -> Field:
    """The ring that a cup leaves: 0..1, much larger than a digit, of uneven strength."""
    mask = np.zeros((height, width), np.uint8)
    centre = random.uniform(0, width), random.uniform(0, height)
    across = random.uniform(0.35, 1.1) * max(height, width)
    start = random.uniform(0, 360)
    axes = round(across * 8), round(across * 8 * random.uniform(0.85, 1))
    middle = round(centre[0] * 16), round(centre[1] * 16)
    thick = int(random.integers(1, max(2, round(across * 0.05)) + 1))
    cv2.ellipse(
        mask, middle, axes, 0, start, start + random.uniform(150, 360), 255, thick, cv2.LINE_AA, FRACTION
    )  # fmt: skip
    soft = cv2.GaussianBlur(mask, (0, 0), log_uniform(random, 0.6, 3)).astype(np.float32) * np.float32(1 / 255)
    uneven: Field = np.clip(0.7 + 0.4 * grain(random, height, width, across * 0.15), 0, 1)
    return soft * uneven


def blur(field: Field, across: float, down: float | None = None) -> Field:
    """Blur a field by `across` pixels (standard deviation), and by `down` in the other axis if the hand shook."""
    if max(across, down or 0) < 0.2:
        return field
    return cv2.GaussianBlur(field, (0, 0), sigmaX=across, sigmaY=down or across).astype(np.float32, copy=False)


def to_grey(field: Field) -> Grey:
    """A field 0..1 as grey levels 0..255, clipped."""
    return cv2.convertScaleAbs(np.clip(field, 0, 1), alpha=255).astype(np.uint8, copy=False)


def compress(grey: Grey, quality: int) -> Grey:
    """The picture after JPEG compression; quality is 0..100."""
    encoded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded.astype(np.uint8, copy=False)
