"""Photographs and other pictures without digits: crops of whole ones, cut-out things laid on a surface."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import cv2
import numpy as np

from digits.data.datasets import DataError
from digits.data.pages.page import Grey, Random
from digits.data.pages.paper.light import Field, log_uniform
from digits.data.pages.paper.scenery import lay, shadow_of
from digits.data.pages.paper.textures import plain, texture

ENDINGS = (".png", ".jpg", ".jpeg")

LONGEST = 768  # longest side to which a picture is reduced, in pixels: twice a page's
KEPT = 64  # pictures that a process holds in memory: about a megabyte each


def photographs(folder: Path | None) -> tuple[Path, ...]:
    """All pictures below a folder, sorted by name."""
    if folder is None:
        return ()
    found = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    return tuple(sorted(path for path in found if path.is_file() and cv2.haveImageReader(str(path))))


def photographed(random: Random, height: int, width: int, paths: tuple[Path, ...]) -> Field:
    """A picture (H, W), 0..1, of one or several of these files. Raises DataError where one can't be read."""
    grey, opacity = _read(paths[int(random.integers(len(paths)))])
    if opacity.min() == 255:
        return _part(random, height, width, grey)
    picture = texture(random, height, width) if random.random() < 0.5 else plain(random, height, width)
    for _ in range(int(random.choice([0, 0, 0, 1, 2, 4]))):
        picture = _laid(random, picture, *_read(paths[int(random.integers(len(paths)))]))
    return _laid(random, picture, grey, opacity)


@functools.lru_cache(maxsize=KEPT)
def _read(path: Path) -> tuple[Grey, Grey]:
    """A picture's grey levels and opacity, both uint8 (H, W), reduced if it is large."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise DataError(f"{path} is a picture that can't be read; take it out of the folder")
    deep = image.dtype == np.uint16
    pixels = np.asarray(np.right_shift(image, 8, dtype=np.uint16) if deep else image, np.uint8)
    scale = LONGEST / max(pixels.shape[:2])
    if scale < 1:
        high, wide = (max(1, round(scale * side)) for side in pixels.shape[:2])
        pixels = np.asarray(cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
    if pixels.ndim == 2:
        return pixels, np.full(pixels.shape, 255, np.uint8)
    grey = np.asarray(cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY), np.uint8)
    return grey, pixels[..., 3] if pixels.shape[2] == 4 else np.full(grey.shape, 255, np.uint8)


def _part(random: Random, height: int, width: int, whole: Grey) -> Field:
    """A part of a picture, from the largest possible to a fifth of that, upright or mirrored."""
    largest = min(whole.shape[0] / height, whole.shape[1] / width)
    scale = largest * log_uniform(random, 0.2, 1)
    high, wide = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = (int(random.integers(0, room + 1)) for room in (whole.shape[0] - high, whole.shape[1] - wide))
    part = whole[top : top + high, left : left + wide][:, :: random.choice([-1, 1])]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=way)
    return resized.astype(np.float32) * np.float32(1 / 255)


def _laid(random: Random, picture: Field, grey: Grey, opacity: Grey) -> Field:
    """A cut-out thing laid anywhere on a picture: turned, mirrored, from an eighth of its size to more than it."""
    height, width = picture.shape
    high, wide = grey.shape
    scale = log_uniform(random, 0.12, 1.3) * max(height, width) / max(high, wide)
    if scale < 0.5:  # averaged first, since the warp uses only four pixels
        small = max(1, round(wide * scale * 1.5)), max(1, round(high * scale * 1.5))
        grey, opacity = (
            np.asarray(cv2.resize(each, small, interpolation=cv2.INTER_AREA), np.uint8) for each in (grey, opacity)
        )
        scale, (high, wide) = scale * wide / small[0], grey.shape
    place = random.uniform(-0.05, 1.05) * width, random.uniform(-0.05, 1.05) * height
    turn = float(random.normal(0, 0.3)) if random.random() < 0.7 else float(random.uniform(0, 2 * math.pi))
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), math.degrees(turn), scale)
    matrix[:, 2] += place[0] - wide / 2, place[1] - high / 2
    way = random.choice([-1, 1])
    above, mask = (
        np.asarray(cv2.warpAffine(np.ascontiguousarray(each[:, ::way]), matrix, (width, height)), np.uint8)
        for each in (grey, opacity)
    )
    if random.random() < 0.4:
        picture = picture * (1 - np.float32(random.uniform(0, 0.6)) * shadow_of(mask, random))
    tone, least = np.float32(random.uniform(0.4, 1)), np.float32(random.uniform(0, 0.3))
    return lay(picture, mask, least + (tone - least * tone) * above.astype(np.float32) * np.float32(1 / 255))
