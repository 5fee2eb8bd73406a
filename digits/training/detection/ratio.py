"""A ratio as a running metric."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class Ratio(Metric):
    """The sum of hits divided by the sum of totals, over all batches and processes; 1 for a total of zero.

    torchmetrics' MeanMetric accepts weights only with its check of every value, which synchronises with a GPU.
    """

    full_state_update = False
    hits: Tensor
    of: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("hits", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("of", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, hits: Tensor | int, of: Tensor | int) -> None:
        """Add `hits` of a total of `of`."""
        self.hits = self.hits + hits
        self.of = self.of + of

    def compute(self) -> Tensor:
        """The ratio, 0..1."""
        return torch.where(self.of > 0, self.hits / self.of.clamp(min=1), 1.0)
