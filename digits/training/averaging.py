"""The moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def ema(
    decay: float,
) -> Callable[[tuple[Tensor, ...] | list[Tensor], tuple[Tensor, ...] | list[Tensor], Tensor | int], None]:
    """An exponential moving average whose decay grows to `decay` as (1 + n) / (10 + n): the start is forgotten."""

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
                mean.copy_(value)  # BatchNorm's count of batches

    return average
