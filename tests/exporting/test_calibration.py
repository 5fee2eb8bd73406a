"""Temperature scaling against what is known in closed form, and against another minimiser."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from digits.evaluating.scores import calibration_error
from digits.exporting.calibration import answers, fit_temperature


def test_the_temperature_is_the_one_that_the_labels_were_drawn_at() -> None:
    """Of two classes with logits (z, 0) and a share p of zeros, softmax says p at T = z / log(p / (1 - p))."""
    logits = torch.tensor([[3.0, 0.0]]).repeat(1000, 1)
    labels = torch.cat([torch.zeros(800), torch.ones(200)]).long()
    assert fit_temperature(logits, labels) == pytest.approx(3 / log(0.8 / 0.2), rel=1e-9)


def test_the_temperature_minimises_the_likelihoods_negative_logarithm() -> None:
    """Against another minimiser of another function, on logits that say too much."""
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(500, 10, generator=generator) * 2
    labels = honest.softmax(1).multinomial(1, generator=generator).squeeze(1)
    logits = honest * 3

    def loss(log_t: float) -> float:
        return float(nn.functional.cross_entropy(logits.double() / exp(log_t), labels))

    expected = exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(expected, rel=1e-5)
    assert found == pytest.approx(3, rel=0.15)
    assert found is not None
    before, after = (calibration_error(answers(logits, labels, labels, t)) for t in (1.0, found))
    assert after < before / 2


def test_without_a_mistake_or_without_a_clue_there_is_no_temperature() -> None:
    logits = torch.eye(10).repeat(5, 1) * 4
    labels = torch.arange(10).repeat(5)
    assert fit_temperature(logits, labels) is None
    assert fit_temperature(logits, (labels + 1) % 10) is None
    assert fit_temperature(logits, torch.cat([labels[:-1], labels[:1]])) is not None
