"""Metrics of a net's predictions, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from digits.config.types import Tree, Value
from digits.evaluating.predictions import Predictions

BINS = 15  # bins of the calibration error, as in Guo et al. 2017
NORMAL_95 = 1.959963984540054  # the standard normal distribution has 95 % of its mass within ± this


@dataclass(frozen=True)
class ClassScore:
    """The metrics of one class. Precision is 0 if the class was never predicted, recall if it has no image."""

    name: str
    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Mistake:
    """A misclassified image."""

    index: int  # in its official split
    truth: str  # the label's name
    guess: str  # the predicted class's name
    confidence: float  # the probability of the predicted class
    loss: float  # cross-entropy in nats


@dataclass(frozen=True)
class Scores:
    """A net's metrics on a split; fractions, not percentages."""

    images: int
    correct: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson's
    loss: float  # mean cross-entropy in nats
    calibration_error: float
    classes: tuple[ClassScore, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]  # rows: label, columns: predicted
    mistakes: tuple[Mistake, ...]  # the worst ones, the worst first

    def tree(self) -> Tree:
        """The metrics as plain data, ready for JSON."""
        return {
            "images": self.images,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "loss": self.loss,
            "calibration_error": self.calibration_error,
            "classes": [dict(vars(score)) for score in self.classes],
            "confusion_matrix": [list[Value](row) for row in self.confusion_matrix],
            "mistakes": [dict(vars(mistake)) for mistake in self.mistakes],
        }


def score(predictions: Predictions, classes: Sequence[str], mistakes: int = 25) -> Scores:
    """All metrics of a net's predictions, and its worst mistakes, at most `mistakes` of them."""
    images, correct = len(predictions), int(predictions.right.sum())
    return Scores(
        images=images,
        correct=correct,
        accuracy=correct / images,
        interval=wilson_interval(correct, images),
        loss=float(predictions.losses.double().mean()),
        calibration_error=calibration_error(predictions),
        classes=class_scores(predictions, classes),
        confusion_matrix=tuple(tuple(row) for row in confusion_matrix(predictions).tolist()),
        mistakes=tuple(
            Mistake(
                index=int(predictions.rows[i]),
                truth=classes[int(predictions.labels[i])],
                guess=classes[int(predictions.guesses[i])],
                confidence=float(predictions.confidences[i]),
                loss=float(predictions.losses[i]),
            )
            for i in worst_mistakes(predictions, mistakes).tolist()
        ),
    )


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927), which is valid near 0 and 1 too; (0, 1) without images."""
    if images == 0:
        return 0.0, 1.0
    share, z2 = correct / images, NORMAL_95**2
    middle = (share + z2 / (2 * images)) / (1 + z2 / images)
    half = NORMAL_95 / (1 + z2 / images) * sqrt(share * (1 - share) / images + z2 / (4 * images**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def calibration_error(predictions: Predictions) -> float:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017, arXiv 1706.04599, equation 3)."""
    probabilities, labels = predictions.probabilities, predictions.labels
    return float(multiclass_calibration_error(probabilities, labels, probabilities.shape[1], n_bins=BINS, norm="l1"))


def confusion_matrix(predictions: Predictions) -> Tensor:
    """The confusion matrix: int64 (C, C), rows: label, columns: predicted."""
    classes = predictions.probabilities.shape[1]
    counts: Tensor = multiclass_confusion_matrix(predictions.guesses, predictions.labels, classes)
    return counts


def class_scores(predictions: Predictions, classes: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class."""
    guesses, labels, number = predictions.guesses, predictions.labels, len(classes)
    images = labels.bincount(minlength=number).tolist()
    precision = multiclass_precision(guesses, labels, number, average="none").tolist()
    recall = multiclass_recall(guesses, labels, number, average="none").tolist()
    f1 = multiclass_f1_score(guesses, labels, number, average="none").tolist()
    return tuple(map(ClassScore, classes, images, precision, recall, f1))


def worst_mistakes(predictions: Predictions, number: int) -> Tensor:
    """Positions in the split of the misclassified images, the largest loss first: int64 (K,), K <= number."""
    wrong = (~predictions.right).nonzero().squeeze(1)
    return wrong[predictions.losses[wrong].argsort(descending=True, stable=True)][:number]


@dataclass(frozen=True)
class Bin:
    """The images with a confidence within one bin."""

    images: int
    correct: int
    confidence: float  # mean of their confidences


def reliability(predictions: Predictions) -> tuple[Bin, ...]:
    """The bins of the calibration error that hold images, from low to high confidence."""
    confidences, right = predictions.confidences.double(), predictions.right
    edges = torch.linspace(0, 1, BINS + 1)[1:-1].double()
    places = torch.bucketize(confidences, edges, right=True)  # (M,), 0..14
    return tuple(
        Bin(int(inside.sum()), int(right[inside].sum()), float(confidences[inside].mean()))
        for inside in (places == place for place in range(BINS))
        if inside.any()
    )
