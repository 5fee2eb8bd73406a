"""Temperature scaling: one number that calibrates a net's probabilities (Guo et al. 2017)."""

from __future__ import annotations

from math import exp, log

import torch.nn.functional as F
from torch import Tensor

from digits.evaluating.predictions import Predictions

COLDEST, HOTTEST = 0.01, 100.0  # the range of a temperature; trained nets have 0.3 to 3
HALVINGS = 60  # bisection steps of the range in log T: to 2e-17, finer than a float


def fit_temperature(logits: Tensor, labels: Tensor) -> float | None:
    """The T that maximises the likelihood of the labels under softmax(logits / T); logits (M, C), labels int64 (M,).

    The negative log-likelihood is convex in 1/T; its slope there, the mean of E[logit] - logit of the label, is
    monotonic, so its zero is found by bisection in log T. None without a minimum: if no prediction is wrong, so that
    no confidence would be too high, or if the predictions are no better than chance.
    """
    logits = logits.double()
    at_label = logits.gather(1, labels.unsqueeze(1)).squeeze(1)  # (M,)

    def slope(log_t: float) -> float:
        return float(((logits / exp(log_t)).softmax(1).mul(logits).sum(1) - at_label).mean())

    low, high = log(COLDEST), log(HOTTEST)
    if bool((logits.argmax(1) == labels).all()) or slope(low) <= 0 or slope(high) >= 0:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if slope(middle) > 0:  # too cold: too confident
            low = middle
        else:
            high = middle
    return exp((low + high) / 2)


def answers(logits: Tensor, labels: Tensor, rows: Tensor, temperature: float) -> Predictions:
    """A net's predictions at a temperature, from logits (M, C) of the images `rows` with `labels`."""
    cooled = logits / temperature
    return Predictions(
        probabilities=cooled.softmax(1),
        guesses=logits.argmax(1),
        labels=labels,
        losses=F.cross_entropy(cooled, labels, reduction="none"),
        rows=rows,
    )
