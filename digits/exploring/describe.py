"""Statistics of a set of images: counts, moments, ink, bounding boxes and copies.

Plain numpy on uint8 images (N, H, W), 0 the background, and int64 labels (N,).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain, combinations_with_replacement
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]

CHUNK = 4096  # images processed at a time, which bounds the memory of intermediate results


class Pictures(NamedTuple):
    """Images and their labels."""

    images: Bytes  # (N, H, W)
    labels: Whole  # (N,)


class Copies(NamedTuple):
    """Images that are equal byte for byte."""

    counts: dict[tuple[str, str], int]  # (a, b): images of b that are also in a; (a, a): repetitions within a
    conflicts: int  # distinct images with more than one label
    groups: list[list[tuple[str, int]]]  # for each set of equal images, the split and row of each


def class_counts(labels: Whole, num_classes: int) -> Whole:
    """The number of images of each class, (C,)."""
    return np.bincount(labels, minlength=num_classes).astype(np.int64)


def pixel_histogram(images: Bytes) -> Whole:
    """The number of pixels of each grey value, (256,)."""
    total = np.zeros(256, np.int64)
    for start in range(0, len(images), CHUNK):
        total += np.bincount(images[start : start + CHUNK].ravel(), minlength=256)
    return total


def moments(histogram: Whole) -> tuple[float, float]:
    """Mean and standard deviation of the pixels scaled to 0..1, exact, from their histogram (256,)."""
    share, value = histogram / histogram.sum(), np.arange(256) / 255
    mean = float(share @ value)
    return mean, float(np.sqrt(share @ (value - mean) ** 2))


def ink(images: Bytes) -> Real:
    """The mean pixel of each image, (N,): 0 without ink, 1 full of ink."""
    height, width = images.shape[1:]
    shares: Real = images.sum(axis=(1, 2), dtype=np.int64) / (255 * height * width)
    return shares


def class_means(pictures: Pictures, num_classes: int) -> Real:
    """The mean image of each class, (C, H, W), 0..255; zeros for a class without images."""
    totals = np.zeros((num_classes, *pictures.images.shape[1:]))
    for label in range(num_classes):
        chosen = pictures.images[pictures.labels == label]
        totals[label] = chosen.mean(axis=0) if len(chosen) else 0
    return totals


def boxes(images: Bytes) -> Whole:
    """The bounding box of the ink, (N, 4): top, left, height, width; zeros for an empty image."""
    found = []
    for inked in (images.max(axis=2) > 0, images.max(axis=1) > 0):  # (N, H), then (N, W)
        first, last = inked.argmax(axis=1), inked.shape[1] - inked[:, ::-1].argmax(axis=1)
        found.append(np.where(inked.any(axis=1), [first, last - first], 0))
    (top, height), (left, width) = found
    return np.stack([top, left, height, width], axis=1)


def centres_of_mass(images: Bytes) -> Real:
    """Row and column of each image's centre of mass, (N, 2), in pixels from the image's centre.

    Down and right are positive. The centre of an image of 28 pixels is between the fourteenth and the fifteenth pixel.
    NaN for an empty image.
    """
    _, height, width = images.shape
    mass = images.sum(axis=(1, 2), dtype=np.int64)
    rows = images.sum(axis=2, dtype=np.int64) @ (np.arange(height) - (height - 1) / 2)
    columns = images.sum(axis=1, dtype=np.int64) @ (np.arange(width) - (width - 1) / 2)
    centres: Real = np.full((len(images), 2), np.nan)
    np.divide(np.stack([rows, columns], axis=1), mass[:, None], out=centres, where=mass[:, None] > 0)
    return centres


def copies(splits: Mapping[str, Pictures]) -> Copies:
    """Equal images within splits and between them, found by hashing their bytes."""
    contents = {split: [image.tobytes() for image in pictures.images] for split, pictures in splits.items()}
    number = Counter(chain.from_iterable(contents.values()))
    places: dict[bytes, list[tuple[str, int]]] = {}
    for split, images in contents.items():
        for row, content in enumerate(images):
            if number[content] > 1:
                places.setdefault(content, []).append((split, row))
    groups = list(places.values())
    counts = dict.fromkeys(combinations_with_replacement(splits, 2), 0)
    conflicts = 0
    for group in groups:
        conflicts += len({int(splits[split].labels[row]) for split, row in group}) > 1
        times = {name: sum(split == name for split, _ in group) for name in splits}
        for a, b in counts:
            counts[a, b] += max(times[a] - 1, 0) if a == b else times[b] * (times[a] > 0)
    return Copies(counts, conflicts, groups)
