"""The most typical and the hardest images of each class, judged by the images and labels alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from digits.exploring.describe import Real, Whole
from digits.exploring.neighbours import Floats, nearest

SHOWN = 7  # images of each kind, for each class
REFERENCES = 3000  # images that the others are compared with, of all classes together


class Extremes(NamedTuple):
    """Rows of images for each class, the most extreme first; -1 where a class has no more."""

    typical: Whole  # (C, SHOWN)
    hardest: Whole  # (C, SHOWN)
    difficulty: Real  # (N,): distance to the nearest image of its own class over that to the nearest of another class
    rival: Whole  # (N,): the class of the latter


def extremes(points: Floats, labels: Whole, num_classes: int) -> Extremes:
    """The extremes of images given as principal components (N, K) and labels (N,).

    Typical is what is near the mean of its class. Hard is what has the nearest image of another class closer than the
    nearest of its own: one-nearest-neighbour classification gets it wrong. The neighbours come from a sample that has
    an equal number of each class, as far as there are so many.
    """
    distances: Real = np.full((len(labels), num_classes), np.inf)  # to the nearest image of each class
    centrality: Real = np.zeros(len(labels))
    random = np.random.RandomState(0)
    with threadpool_limits(1):
        for label in range(num_classes):
            of_class = np.flatnonzero(labels == label)
            references = random.permutation(of_class)[: max(REFERENCES // num_classes, 2)]
            own = np.full(len(labels), -1)
            own[references] = np.arange(len(references))
            distances[:, label] = nearest(points, points[references], own)[1]
            if len(of_class):
                centrality[of_class] = np.linalg.norm(points[of_class] - points[of_class].mean(axis=0), axis=1)
    everyone = np.arange(len(labels))
    to_own = distances[everyone, labels]
    distances[everyone, labels] = np.inf
    rival = distances.argmin(axis=1)
    to_other = np.maximum(distances[everyone, rival], 1e-6)  # there are copies under two labels
    comparable = np.isfinite(to_own) & np.isfinite(to_other)
    difficulty = np.divide(to_own, to_other, out=np.zeros(len(labels)), where=comparable)
    return Extremes(
        first_of_each(centrality, labels, num_classes, SHOWN),
        first_of_each(-difficulty, labels, num_classes, SHOWN),
        difficulty,
        rival.astype(np.int64),
    )


def first_of_each(order: Real, labels: Whole, num_classes: int, number: int) -> Whole:
    """For each class the rows with the smallest values of `order` (N,), (C, number); -1 where it has no more."""
    rows = np.full((num_classes, number), -1)
    for label in range(num_classes):
        of_class = np.flatnonzero(labels == label)
        chosen = of_class[np.argsort(order[of_class], kind="stable")[:number]]
        rows[label, : len(chosen)] = chosen
    return rows
