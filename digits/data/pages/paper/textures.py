"""Surfaces on which nothing is written: wood, cloth, tiles, carpet, rough paper, scraps, parts of photographs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

from digits.data.pages.page import Grey, Random
from digits.data.pages.paper.light import FRACTION, Field, blur, fixed, gradient, grain, log_uniform, shifted


def plain(random: Random, height: int, width: int) -> Field:
    """A smooth surface under uneven light."""
    return gradient(random, height, width, 0.6) * np.float32(random.uniform(0.1, 1))


def speckle(random: Random, height: int, width: int) -> Field:
    """Carpet, gravel, terrazzo: grains on a ground."""
    ground, step = random.uniform(0.1, 0.9), random.uniform(0.1, 0.6) * random.choice([-1, 1])
    noise = grain(random, height, width, log_uniform(random, 0.5, 8))
    grains: Field = np.clip((noise - random.uniform(-0.5, 2)) * random.uniform(0.5, 4), 0, 1)
    return grains * np.float32(step) + np.float32(ground)


def clouds(random: Random, height: int, width: int) -> Field:
    """Marble, plaster, leather: noise at several scales."""
    size, total = log_uniform(random, 0.6, 4), np.zeros((height, width), np.float32)
    for octave in range(4):
        total += np.float32(random.uniform(0.4, 1.2) ** octave) * grain(random, height, width, size * 2.5**octave)
    return (1 + np.float32(random.uniform(0.02, 0.2)) * total) * np.float32(random.uniform(0.15, 0.85))


def wood(random: Random, height: int, width: int) -> Field:
    """Boards: rings drawn out along the grain, and fine fibres."""
    long = log_uniform(random, 8, 40)
    warp = grain(random, height, width, log_uniform(random, 8, 60), long / 4)
    rings = np.sin(np.arange(height, dtype=np.float32)[:, None] * np.float32(log_uniform(random, 0.05, 0.6)) + 3 * warp)
    fibres = grain(random, height, width, log_uniform(random, 0.5, 2), long)
    deep, fine = random.uniform(0.01, 0.12), random.uniform(0.01, 0.12)
    surface: Field = 1 + np.float32(deep) * rings + np.float32(fine) * fibres
    return surface * np.float32(random.uniform(0.15, 0.85))


def fabric(random: Random, height: int, width: int) -> Field:
    """Cloth, wickerwork, a sieve: threads across threads, at any angle."""
    angle, pitch = random.uniform(0, math.pi), 2 * math.pi / log_uniform(random, 2.5, 16)
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    along, over = (np.float32(pitch * trig(angle)) for trig in (math.cos, math.sin))
    warp = 2 * grain(random, height, width, log_uniform(random, 10, 60))
    weave = np.sin(across * along + down * over + warp) * np.sin(down * along - across * over + warp)
    rough = grain(random, height, width, log_uniform(random, 0.5, 2))
    deep, uneven = random.uniform(0.02, 0.2), random.uniform(0.01, 0.1)
    surface: Field = 1 + np.float32(deep) * weave + np.float32(uneven) * rough
    return surface * np.float32(random.uniform(0.15, 0.85))


def tiles(random: Random, height: int, width: int) -> Field:
    """Tiles, bricks, keys, books on a shelf: rectangles of different tones with joints between them."""
    pitches = [log_uniform(random, 6, 120), log_uniform(random, 6, 120)]
    angle, joint = random.normal(0, 0.3), random.uniform(0.02, 0.15)
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    along = (across * np.float32(math.cos(angle)) + down * np.float32(math.sin(angle))) / np.float32(pitches[0])
    over = (down * np.float32(math.cos(angle)) - across * np.float32(math.sin(angle))) / np.float32(pitches[1])
    rows = np.floor(over).astype(np.int32)
    if random.random() < 0.5:
        along = along + np.float32(0.5) * (rows & 1)
    columns = np.floor(along).astype(np.int32)
    tones = (random.uniform(0.1, 0.9) + random.uniform(0, 0.3) * random.standard_normal((32, 32))).astype(np.float32)
    gap = (along - columns < joint) | (over - rows < joint * pitches[0] / pitches[1])
    picture: Field = np.where(gap, np.float32(random.uniform(0, 1)), tones[rows & 31, columns & 31])
    return blur(picture * (1 + np.float32(0.03) * grain(random, height, width, 1)), log_uniform(random, 0.3, 2))


def scraps(random: Random, height: int, width: int, number: int | None = None) -> Field:
    """Dead leaves: blots, blocks and scraps of all sizes over each other; none thin enough for a stroke."""
    number = int(random.integers(8, 70)) if number is None else number
    tones = random.integers(0, 256, number + 1).tolist()
    picture = np.full((height, width), tones[-1], np.uint8)
    places = random.uniform(0, 1, (number, 2)) * (width, height)
    for tone, place in zip(tones, places, strict=False):
        size, kind = log_uniform(random, 8, 200), random.integers(3)
        shape, angle = (size, size * random.uniform(0.35, 1)), random.uniform(0, 180)
        if kind == 0:
            cv2.ellipse(picture, (place.tolist(), shape, angle), tone, -1, cv2.LINE_AA)
            continue
        corners = cv2.boxPoints((place.tolist(), shape, angle)).astype(np.float64)
        if kind == 2:
            turns = np.sort(random.uniform(0, 1, int(random.integers(3, 7)))) * 0.5
            turns = (turns + np.arange(len(turns))) * (2 * math.pi / len(turns))
            radii = random.uniform(0.3, 0.7, (len(turns), 1)) * size
            corners = place + radii * np.stack([np.cos(turns), np.sin(turns)], 1)
        cv2.fillPoly(picture, [fixed(corners)], tone, cv2.LINE_AA, FRACTION)
    return blur(picture.astype(np.float32) * np.float32(1 / 255), random.choice([0, 0.6, 1.5, 4]))


@cache
def photographs() -> tuple[Grey, ...]:
    """The two photographs that come with scikit-learn: a temple and a flower."""
    return tuple(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in load_sample_images().images)


def photograph_part(random: Random, height: int, width: int) -> Field:
    """A part of a photograph, enlarged up to twice or made smaller, upright or turned."""
    whole = photographs()[int(random.integers(len(photographs())))]
    scale = min(log_uniform(random, 0.6, 2), min(whole.shape[0] / height, whole.shape[1] / width))
    high, wide = max(2, int(height * scale)), max(2, int(width * scale))
    top, left = (int(random.integers(0, room + 1)) for room in (whole.shape[0] - high, whole.shape[1] - wide))
    part = whole[top : top + high, left : left + wide][:: random.choice([-1, 1]), :: random.choice([-1, 1])]
    resized = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA)
    return resized.astype(np.float32) * np.float32(1 / 255)


def rough_paper(random: Random, height: int, width: int) -> Field:
    """Paper, plaster or cloth from so near that its grain is as large and as strong as writing."""
    size, strength = log_uniform(random, 0.5, 14), log_uniform(random, 0.02, 0.3)
    noise = grain(random, height, width, size, random.choice([1.0, 1.0, 2.0, 5.0]))
    for _ in range(int(random.integers(0, 3))):
        noise = noise + np.float32(random.uniform(0.2, 0.9)) * grain(
            random, height, width, size * random.uniform(0.2, 3)
        )
    kind = random.random()
    if kind < 0.3:  # lit from one side: bumps with bright and dark flanks
        noise = noise - shifted(noise, max(1, round(size / 2)))
    elif kind < 0.6:  # pits, or bumps, in a smooth ground
        noise = np.maximum(noise, np.float32(random.uniform(-1, 1.5))) * random.choice([-1, 1])
    surface: Field = 1 + np.float32(strength) * (noise - noise.mean())
    return surface * np.float32(random.uniform(0.3, 0.95))


TEXTURES: tuple[Callable[[Random, int, int], Field], ...] = (
    plain, speckle, clouds, wood, fabric, tiles, scraps, photograph_part,
)  # fmt: skip
SHARES = (0.1, 0.15, 0.15, 0.15, 0.13, 0.08, 0.12, 0.12)


def texture(random: Random, height: int, width: int) -> Field:
    """A surface (H, W), 0..1, on which nothing is written."""
    make = TEXTURES[int(random.choice(len(TEXTURES), p=SHARES))]
    picture = make(random, height, width) if random.random() < 0.5 else make(random, width, height).T
    if random.random() < 0.5:
        picture = picture * gradient(random, height, width, 0.6)
    clipped: Field = np.clip(np.ascontiguousarray(picture), 0, 1)
    return clipped
