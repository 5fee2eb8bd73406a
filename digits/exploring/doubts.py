"""Labels that a trained model doubts, and images of a whole data set that are nearly the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from digits.exploring.describe import CHUNK, Bytes, Copies, Pictures, Real, Whole
from digits.exploring.extremes import SHOWN, first_of_each
from digits.exploring.neighbours import nearest, reduce

PAIRS = 24  # near duplicates that are listed
COMPONENTS = 32  # of the images, to find them


class Answers(NamedTuple):
    """A model's predictions for a split that it was not trained on, in the split's order."""

    run: str
    split: str
    probabilities: npt.NDArray[np.float32]  # (M, C), of the set's classes; a row sums to 1 if the model has no others
    losses: npt.NDArray[np.float32]  # (M,): cross-entropy in nats
    guesses: Sequence[str]  # M names of the most probable class, of all that the model knows
    confidences: npt.NDArray[np.float32]  # (M,): the probability of that class


class Suspect(NamedTuple):
    """An image whose label is likely to be wrong."""

    row: int  # of the split
    label: int
    suggested: int
    given: float  # the model's probability of the label
    probability: float  # the model's probability of the suggested class


class Pair(NamedTuple):
    """Two images that are nearly the same."""

    one: tuple[str, int]  # split and row
    other: tuple[str, int]
    difference: float  # root mean square of the pixels' differences, 0..255
    share: float  # the same over what is usual for a nearest neighbour of an image of the class (median)


class Doubts(NamedTuple):
    """What a model finds doubtful in a data set."""

    answers: Answers
    hardest: Whole  # (C, SHOWN): rows of the split with the largest losses, for each class; -1 where it has no more
    suspects: list[Suspect]  # the most suspicious first
    pairs: list[Pair]  # the most alike first


def suspects(probabilities: npt.NDArray[np.float32], labels: Whole) -> list[Suspect]:
    """Likely label errors by confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068, section 3.1).

    An image counts as one of class j if its probability of j, (M, C), reaches the mean probability of j among the
    images labelled j; of several such classes the most probable counts. Where that is not the label (M,), the label
    is suspected. The order is that of the paper's normalized margin: the label's probability minus the largest other.
    """
    number, num_classes = probabilities.shape
    usual = [probabilities[labels == j, j].mean() if (labels == j).any() else np.inf for j in range(num_classes)]
    counted = np.where(probabilities >= np.array(usual, np.float32), probabilities, -1)  # (M, C)
    suggested = counted.argmax(axis=1)
    everyone = np.arange(number)
    given = probabilities[everyone, labels]
    others = probabilities.copy()
    others[everyone, labels] = -1
    margin = given - others.max(axis=1)
    doubtful = np.flatnonzero((counted.max(axis=1) >= 0) & (suggested != labels))
    return [
        Suspect(int(i), int(labels[i]), int(suggested[i]), float(given[i]), float(probabilities[i, suggested[i]]))
        for i in doubtful[np.argsort(margin[doubtful], kind="stable")]
    ]


def near_duplicates(splits: Mapping[str, Pictures], copies: Copies, num_classes: int) -> list[Pair]:
    """The PAIRS of images that are most alike, within the splits and between them; exact copies count once.

    Each image's nearest neighbour is found in the space of the first principal components, and its distance measured on
    the pixels. What counts is the distance relative to the class: the 1s are closer to each other than the 8s. There
    is no threshold: whether the first pairs are duplicates is for a person to see.
    """
    repeated = {place for group in copies.groups for place in group[1:]}
    places = [(name, row) for name, p in splits.items() for row in range(len(p.labels)) if (name, row) not in repeated]
    if len(places) < 2:
        return []
    kept = {name: np.array([row for split, row in places if split == name], np.int64) for name in splits}
    images = np.concatenate([splits[name].images[rows] for name, rows in kept.items()])
    labels = np.concatenate([splits[name].labels[rows] for name, rows in kept.items()])
    points = reduce(images, COMPONENTS)
    with threadpool_limits(1):
        other, _ = nearest(points, points, np.arange(len(points)))
    distance = _apart(images, other)
    usual = np.ones(num_classes)
    for label in np.unique(labels):
        usual[label] = max(float(np.median(distance[labels == label])), 1e-6)
    share = distance / usual[labels]
    pairs: dict[tuple[int, int], Pair] = {}
    for i in np.argsort(share, kind="stable")[: 2 * PAIRS].tolist():  # a pair comes at most twice
        one, two = sorted((i, int(other[i])))
        pairs.setdefault((one, two), Pair(places[one], places[two], float(distance[i]), float(share[i])))
    return list(pairs.values())[:PAIRS]


def _apart(images: Bytes, other: Whole) -> Real:
    """Root mean square of the differences between the pixels of each of images (N, H, W) and another, (N,)."""
    parts = []
    for start in range(0, len(images), CHUNK):
        some = images[start : start + CHUNK].astype(np.float32) - images[other[start : start + CHUNK]]
        parts.append(np.sqrt((some**2).mean(axis=(1, 2))))
    return np.concatenate(parts).astype(np.float64)


def doubts(splits: Mapping[str, Pictures], copies: Copies, answers: Answers, num_classes: int) -> Doubts:
    """All of it, for a data set and a model's predictions for one of its splits."""
    labels = splits[answers.split].labels
    hardest = first_of_each(-answers.losses.astype(np.float64), labels, num_classes, SHOWN)
    found = suspects(answers.probabilities, labels)
    return Doubts(answers, hardest, found, near_duplicates(splits, copies, num_classes))
