"""Figures of merit against counts by hand and independent formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from digits.evaluating.predictions import Predictions
from digits.evaluating.scores import calibration_error, confusion_matrix, reliability, score, wilson_interval

CLASSES = ("ant", "bee", "cow")

#        truth        ant              bee        cow
LABELS = [0, 0, 0, 1, 1, 2]
GUESSES = [0, 0, 1, 1, 2, 1]
CONFIDENCES = [0.9, 0.6, 0.5, 0.8, 0.7, 0.95]


def by_hand() -> Predictions:
    probabilities = torch.zeros(6, 3)
    for row, (guess, confidence) in enumerate(zip(GUESSES, CONFIDENCES, strict=True)):
        probabilities[row] = (1 - confidence) / 2
        probabilities[row, guess] = confidence
    labels = torch.tensor(LABELS)
    losses = -probabilities[torch.arange(6), labels].log()
    return Predictions(
        probabilities, torch.tensor(GUESSES), labels, losses, rows=torch.tensor([10, 11, 12, 13, 14, 15])
    )


def random_predictions(images: int, classes: int) -> Predictions:
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(images, classes, generator=generator)
    labels = torch.where(
        torch.rand(images, generator=generator) < 0.6,
        logits.argmax(1),
        torch.randint(0, classes, (images,), generator=generator),
    )
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    return Predictions(logits.softmax(1), logits.argmax(1), labels, losses, torch.arange(images))


def test_confusion_matrix_counted_by_hand() -> None:
    assert confusion_matrix(by_hand()).tolist() == [[2, 1, 0], [0, 1, 1], [0, 1, 0]]


def test_figures_counted_by_hand() -> None:
    found = score(by_hand(), CLASSES)
    assert (found.images, found.correct, found.accuracy) == (6, 3, 0.5)
    assert [c.images for c in found.classes] == [3, 2, 1]
    assert [c.precision for c in found.classes] == pytest.approx([1, 1 / 3, 0])
    assert [c.recall for c in found.classes] == pytest.approx([2 / 3, 1 / 2, 0])
    assert [c.f1 for c in found.classes] == pytest.approx([0.8, 0.4, 0])
    shares_of_truth = [0.9, 0.6, 0.25, 0.8, 0.15, 0.025]
    assert found.loss == pytest.approx(-np.log(shares_of_truth).mean())


def test_the_worst_mistakes_come_first_and_are_named_as_in_their_split() -> None:
    worst = score(by_hand(), CLASSES, mistakes=2).mistakes
    assert [(m.index, m.truth, m.guess) for m in worst] == [(15, "cow", "bee"), (14, "bee", "cow")]
    assert [m.confidence for m in worst] == pytest.approx([0.95, 0.7])


def test_calibration_error_by_an_independent_formula() -> None:
    predictions = random_predictions(500, 10)
    confidences, right = predictions.confidences.numpy(), predictions.right.numpy()
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidences >= low) & (confidences < low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidences[inside].mean())
    assert calibration_error(predictions) == pytest.approx(expected, abs=1e-6)
    assert expected > 0.05


def test_the_bins_of_the_reliability_diagram_add_up_to_the_calibration_error() -> None:
    predictions = random_predictions(500, 10)
    bins = reliability(predictions)
    assert sum(b.images for b in bins) == 500
    assert sum(b.correct for b in bins) == int(predictions.right.sum())
    gaps = sum(b.images * abs(b.correct / b.images - b.confidence) for b in bins) / 500
    assert gaps == pytest.approx(calibration_error(predictions), abs=1e-6)


@pytest.mark.parametrize(
    ("correct", "images", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_against_published_values(correct: int, images: int, low: float, high: float) -> None:
    assert wilson_interval(correct, images) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_stays_within_0_and_1() -> None:
    assert wilson_interval(360, 360) == pytest.approx((360 / (360 + 1.959964**2), 1.0))
    assert wilson_interval(360, 360)[1] <= 1.0
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_scores_survive_json() -> None:
    tree = score(by_hand(), CLASSES).tree()
    assert json.loads(json.dumps(tree)) == tree
