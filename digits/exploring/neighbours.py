"""Which images are near each other: principal components, nearest neighbours by brute force, a map of the classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from digits.exploring.describe import CHUNK, Bytes, Pictures, Real, Whole

Floats = npt.NDArray[np.float32]

COMPONENTS = 50
SAMPLE = 2000  # images that the principal components are computed from
BLOCK = 1024  # points and others at a time: their 4 MB stay in the processor's cache


class Map(NamedTuple):
    """Images embedded in a plane, similar ones near each other."""

    rows: Whole  # (M,): rows of the images in the data set
    points: Real  # (M, 2), without unit
    variance: Real  # (K,): share of the variance explained by the first 1, 2, ... K principal components
    alike: float  # share of the images whose nearest neighbour in pixel space has the same class
    alike_on_map: float  # the same share for the nearest neighbour on the plane
    mixed: Whole  # (C, C): images of class i whose nearest neighbour on the plane has class j


def reduce(images: Bytes, components: int = COMPONENTS) -> Floats:
    """Images (N, H, W) as their first principal components, (N, K), of pixels 0..1.

    Distances between them are at most those between the images, and nearly the same.
    """
    from sklearn.decomposition import PCA

    pixels = images.reshape(len(images), -1)
    sample = np.random.RandomState(0).permutation(len(pixels))[:SAMPLE]
    with threadpool_limits(1):
        pca = PCA(min(components, len(sample), pixels.shape[1]), svd_solver="covariance_eigh")
        pca.fit(pixels[sample].astype(np.float32) / 255)
        directions, middle = (pca.components_.T / 255).astype(np.float32), pca.mean_ @ pca.components_.T
        parts = [pixels[i : i + CHUNK].astype(np.float32) @ directions for i in range(0, len(pixels), CHUNK)]
        reduced: Floats = (np.concatenate(parts) - middle).astype(np.float32)
    return reduced


def nearest(points: Floats | Real, others: Floats | Real, own: Whole) -> tuple[Whole, Real]:
    """The nearest of `others` (M, K) to each of `points` (N, K), of one dtype: its index and its distance, both (N,).

    `own` (N,) is the index of each point itself among the others, which is passed over; -1 where it is not among them.
    Where no other is left, the distance is infinite.
    """
    index, distance = np.zeros(len(points), np.int64), np.full(len(points), np.inf)
    if not len(others):
        return index, distance
    # |x − y|² = |x|² − 2 (x·y − |y|²/2): the largest bracket is the nearest; the 1 multiplies −|y|²/2
    ones = np.ones((len(points), 1), points.dtype)
    left, right = np.hstack([points, ones]), np.hstack([others, -(others**2).sum(axis=1, keepdims=True) / 2]).T
    largest = np.full(len(points), -np.inf)
    blocks = range(0, len(points), BLOCK)
    for row in tqdm(blocks, desc="nearest neighbours", leave=False, disable=None, delay=1):  # for what takes long
        some = slice(row, row + BLOCK)
        for column in range(0, len(others), BLOCK):
            brackets = left[some] @ right[:, column : column + BLOCK]
            known = np.flatnonzero((own[some] >= column) & (own[some] < column + BLOCK))
            brackets[known, own[some][known] - column] = -np.inf
            found = brackets.argmax(axis=1)
            value = brackets[np.arange(len(found)), found]
            better = value > largest[some]
            largest[some][better], index[some][better] = value[better], found[better] + column
    finite = np.isfinite(largest)
    distance[finite] = np.linalg.norm(points[finite] - others[index[finite]], axis=1)  # exact, unlike the brackets
    return index, distance


def project(pictures: Pictures, num_classes: int, sample: int = 1200, seed: int = 0) -> Map:
    """A map of the classes: t-SNE (van der Maaten and Hinton 2008) of a sample's first 50 principal components.

    t-SNE keeps close neighbours close; distances between groups and the sizes of groups mean nothing. It starts from
    the first two components, so that the same seed gives the same map. Half the usual iterations, and forces summed
    more coarsely (`angle`), are for speed; the page says how many neighbours of the same class they keep.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    random = np.random.RandomState(seed)
    rows = np.sort(random.permutation(len(pictures.labels))[:sample]).astype(np.int64)
    pixels = pictures.images[rows].reshape(len(rows), -1).astype(np.float32) / 255  # (M, H * W)
    with threadpool_limits(1):  # two threads are 8 times slower: scikit-learn's wait busily for each other
        pca = PCA(min(COMPONENTS, *pixels.shape), svd_solver="covariance_eigh").fit(pixels)
        perplexity = min(20, (len(rows) - 1) / 3)
        tsne = TSNE(init="pca", perplexity=perplexity, max_iter=400, angle=0.8, random_state=seed)
        points: Real = np.asarray(tsne.fit_transform(pca.transform(pixels)), np.float64)
        labels, own = pictures.labels[rows], np.arange(len(rows))
        near, near_on_map = (labels[nearest(p, p, own)[0]] for p in (pixels, points))
    mixed = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(mixed, (labels, near_on_map), 1)
    variance: Real = np.cumsum(np.asarray(pca.explained_variance_ratio_, np.float64))
    return Map(rows, points, variance, float(np.mean(near == labels)), float(np.mean(near_on_map == labels)), mixed)
