"""Temperature scaling: one number that makes a net's probabilities mean what they say (Guo et al. 2017)."""

from __future__ import annotations

from math import exp, log

import torch.nn.functional as F
from torch import Tensor

from digits.evaluating.predictions import Predictions

COLDEST, HOTTEST = 0.01, 100.0
"""The range of a temperature; nets that were trained have 0.3 to 3."""

HALVINGS = 60
"""Of the range in log T: to 2e-17, finer than a float."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float | None:
    """The T for which softmax(logits / T) makes the labels likeliest; logits (M, C), labels int64 (M,).

    The negative log-likelihood is convex in 1/T; its slope there, the mean of E[logit] - logit of the truth, is
    monotonic, so its zero is bracketed and halved, in log T. None where there is no minimum to find: no answer is
    wrong, so that no confidence would be too high, or the answers are no better than chance.
    """
    logits = logits.double()
    truth = logits.gather(1, labels.unsqueeze(1)).squeeze(1)  # (M,)

    def slope(log_t: float) -> float:
        return float(((logits / exp(log_t)).softmax(1).mul(logits).sum(1) - truth).mean())

    low, high = log(COLDEST), log(HOTTEST)
    if bool((logits.argmax(1) == labels).all()) or slope(low) <= 0 or slope(high) >= 0:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if slope(middle) > 0:  # too cold: too sure
            low = middle
        else:
            high = middle
    return exp((low + high) / 2)


def answers(logits: Tensor, labels: Tensor, rows: Tensor, temperature: float) -> Predictions:
    """What a net says at a temperature: logits (M, C) of the images `rows`, whose truth is `labels`."""
    cooled = logits / temperature
    return Predictions(
        probabilities=cooled.softmax(1),
        guesses=logits.argmax(1),
        labels=labels,
        losses=F.cross_entropy(cooled, labels, reduction="none"),
        rows=rows,
    )
