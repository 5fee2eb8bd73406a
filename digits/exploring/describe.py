"""Statistics of a set of images: counts, moments, ink, bounding boxes, copies and a map of the classes.

Plain numpy on uint8 images (N, H, W), 0 the background, and int64 labels (N,).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement
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


class Map(NamedTuple):
    """Images embedded in a plane, similar ones near each other."""

    rows: Whole  # (M,): rows of the images in the data set
    points: Real  # (M, 2), without unit
    variance: Real  # (K,): share of the variance explained by the first 1, 2, ... K principal components
    alike: float  # share of the images whose nearest neighbour in pixel space has the same class
    alike_on_map: float  # the same share for the nearest neighbour on the plane
    mixed: Whole  # (C, C): images of class i whose nearest neighbour on the plane has class j


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
    places: dict[bytes, list[tuple[str, int]]] = {}
    for split, pictures in splits.items():
        for row, image in enumerate(pictures.images):
            places.setdefault(image.tobytes(), []).append((split, row))
    groups = [group for group in places.values() if len(group) > 1]
    counts = dict.fromkeys(combinations_with_replacement(splits, 2), 0)
    conflicts = 0
    for group in groups:
        conflicts += len({int(splits[split].labels[row]) for split, row in group}) > 1
        times = {name: sum(split == name for split, _ in group) for name in splits}
        for a, b in counts:
            counts[a, b] += max(times[a] - 1, 0) if a == b else times[b] * (times[a] > 0)
    return Copies(counts, conflicts, groups)


def project(pictures: Pictures, num_classes: int, sample: int = 2000, seed: int = 0) -> Map:
    """A map of the classes: t-SNE (van der Maaten and Hinton 2008) of a sample's first 50 principal components.

    t-SNE keeps close neighbours close; distances between groups and the sizes of groups mean nothing. It starts from
    the first two components, so that the same seed gives the same map.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    random = np.random.RandomState(seed)
    rows = np.sort(random.permutation(len(pictures.labels))[:sample]).astype(np.int64)
    pixels = pictures.images[rows].reshape(len(rows), -1).astype(np.float32) / 255  # (M, H * W)
    components = min(50, *pixels.shape)
    with threadpool_limits(1):  # two threads are 8 times slower: scikit-learn's wait busily for each other
        pca = PCA(components, svd_solver="covariance_eigh").fit(pixels)
        reduced = pca.transform(pixels)
        tsne = TSNE(init="pca", perplexity=min(30, (len(rows) - 1) / 3), random_state=seed)
        points: Real = np.asarray(tsne.fit_transform(reduced), np.float64)
    labels = pictures.labels[rows]
    near, near_on_map = labels[_nearest(pixels.astype(np.float64))], labels[_nearest(points)]
    mixed = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(mixed, (labels, near_on_map), 1)
    variance: Real = np.cumsum(np.asarray(pca.explained_variance_ratio_, np.float64))
    return Map(rows, points, variance, float(np.mean(near == labels)), float(np.mean(near_on_map == labels)), mixed)


def _nearest(points: Real) -> npt.NDArray[np.intp]:
    """The index of each point's nearest other point, for points (M, D)."""
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest: npt.NDArray[np.intp] = distances.argmin(axis=1)
    return nearest
