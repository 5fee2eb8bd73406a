"""Exponential moving average of the weights, for torch's AveragedModel."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def ema(
    decay: float,
) -> Callable[[tuple[Tensor, ...] | list[Tensor], tuple[Tensor, ...] | list[Tensor], Tensor | int], None]:
    """The `multi_avg_fn` of an AveragedModel: an average with decay min(`decay`, (1 + n) / (10 + n)) after n steps.

    The smaller decay of the first steps lets it forget the initial weights.
    """

    def average(
        averaged: tuple[Tensor, ...] | list[Tensor],
        current: tuple[Tensor, ...] | list[Tensor],
        steps: Tensor | int,
    ) -> None:
        n = int(steps)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)  # BatchNorm's num_batches_tracked

    return average
