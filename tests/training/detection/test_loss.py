"""The detector's loss, against its formulas written out."""

from __future__ import annotations

from math import exp, log, log1p

import pytest
import torch
from torch import Tensor

from digits.data.pages.page import UNCLEAR
from digits.training.detection.loss import DetectionLoss
from digits.training.detection.module import count_cells
from digits.training.detection.targets import Targets, make_targets

SIZE = (12, 16)


@pytest.fixture
def targets() -> Targets:
    """Two pictures: a digit, one that is cut off and a tiny one; two digits that are next to each other."""
    boxes = torch.tensor(
        [
            [(33.0, 21.0, 20.0, 24.0), (10.0, 12.0, 12.0, 20.0), (55.0, 40.0, 5.0, 8.0)],
            [(20.0, 24.0, 14.0, 24.0), (36.0, 24.0, 16.0, 28.0), (50.0, 40.0, 9.0, 13.0)],
        ]
    )
    return make_targets(boxes, torch.tensor([[7, UNCLEAR, 3], [5, 8, 2]]), SIZE)


@pytest.fixture
def answers() -> Tensor:
    return torch.randn(2, 16, *SIZE, generator=torch.Generator().manual_seed(0))


def as_numbers(counted: dict[str, tuple[Tensor, Tensor]]) -> dict[str, tuple[int, int]]:
    return {name: (int(hits), int(of)) for name, (hits, of) in counted.items()}


def perfect(targets: Targets) -> Tensor:
    """What a detector would answer that knows everything."""
    answers = torch.zeros(2, 16, *SIZE)
    answers[:, 0] = torch.where(targets.centres, 20.0, -20.0)
    answers[:, 1:11] = 30.0 * torch.nn.functional.one_hot(targets.classes.clamp(min=0), 10).movedim(-1, 1)
    answers[:, 11:15] = targets.boxes
    answers[:, 15] = 20.0 * (2 * targets.smaller - 1)
    return answers


def sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def test_it_is_the_sum_of_four_means(targets: Targets, answers: Tensor) -> None:
    objectness = classes = box = gate = 0.0
    centres = near = sure = 0
    for i in range(2):
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                logits = answers[i, :, row, column].tolist()
                heat, likely = float(targets.heat[i, row, column]), sigmoid(logits[0])
                if heat == 1:
                    centres += 1
                    objectness -= (1 - likely) ** 2 * log(likely)
                elif not targets.ignored[i, row, column]:
                    objectness -= (1 - heat) ** 4 * likely**2 * log(1 - likely)
                label = int(targets.classes[i, row, column])
                if label >= 0:
                    near += 1
                    total = log(sum(map(exp, logits[1:11])))
                    right = 0.9 * logits[1 + label] + 0.1 * sum(logits[1:11]) / 10
                    classes += total - right
                    for guess, wanted in zip(logits[11:15], targets.boxes[i, :, row, column].tolist(), strict=True):
                        off = abs(guess - wanted)
                        box += off - 0.05 if off >= 0.1 else off**2 / 0.2
                if not targets.unsure[i, row, column]:
                    sure += 1
                    small = float(targets.smaller[i, row, column])
                    gate += log1p(exp(-logits[15])) * small + log1p(exp(logits[15])) * (1 - small)
    assert centres == 3
    expected = objectness / centres + classes / near + 0.7 * box / (4 * near) + 0.3 * gate / sure
    loss = DetectionLoss(label_smoothing=0.1, box_weight=0.7, gate_weight=0.3)
    assert float(loss(answers, targets)) == pytest.approx(expected, rel=1e-4)


def test_who_knows_everything_loses_nothing(targets: Targets) -> None:
    loss = DetectionLoss(label_smoothing=0.0, box_weight=1.0, gate_weight=1.0)
    assert float(loss(perfect(targets), targets)) < 1e-4
    counted = count_cells(perfect(targets), targets)
    assert as_numbers(counted) == {"pages": (2, 2), "recall": (3, 3), "precision": (3, 3), "accuracy": (3, 3)}


def test_what_is_said_where_it_is_not_clear_counts_for_nothing(targets: Targets, answers: Tensor) -> None:
    loss = DetectionLoss(label_smoothing=0.02, box_weight=1.0, gate_weight=0.2)
    assert bool(targets.ignored.any())
    assert bool(targets.unsure.any())
    others, before = answers.clone(), float(loss(answers, targets))
    others[:, 0][targets.ignored] += 5.0
    others[:, 15][targets.unsure] -= 5.0
    others[:, 1:15].movedim(1, -1)[targets.classes < 0] = 9.0  # a class and a box of what is no digit
    assert float(loss(others, targets)) == pytest.approx(before, rel=1e-6)
    answers.requires_grad_()
    loss(answers, targets).backward()
    assert answers.grad is not None
    assert not bool(answers.grad[:, 0][targets.ignored].any())
    assert bool(answers.grad[:, 0][~targets.ignored].all())


def test_without_a_digit_there_is_objectness_and_the_gate() -> None:
    nothing = make_targets(torch.ones(2, 1, 4), torch.full((2, 1), -2), SIZE)
    answers = torch.zeros(2, 16, *SIZE, requires_grad=True)
    loss: Tensor = DetectionLoss(0.02, 1.0, 0.2)(answers, nothing)
    assert float(loss.detach()) == pytest.approx(2 * 12 * 16 * 0.25 * log(2) + 0.2 * log(2), rel=1e-5)
    loss.backward()
    assert answers.grad is not None
    assert not bool(answers.grad[:, 1:15].any())


# ---- What is counted in crops --------------------------------------------------------------------------


def test_a_peak_beside_the_centre_has_found_the_digit_and_one_elsewhere_is_false(targets: Targets) -> None:
    answers = perfect(targets)
    answers[0, 0, 5, 8], answers[0, 0, 5, 9] = -20.0, 20.0  # a cell to the right
    answers[0, 0, 10, 2] = 20.0  # where nothing is
    answers[0, 0, 3, 2] = 20.0  # on the digit that is cut off
    answers[1, 1:11] = answers[1, 1:11].roll(1, 0)  # every class one too high
    counted = count_cells(answers, targets)
    assert as_numbers(counted) == {"pages": (0, 2), "recall": (3, 3), "precision": (3, 4), "accuracy": (1, 3)}
