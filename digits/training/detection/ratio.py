"""A share as a running metric: so many of so many."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class Ratio(Metric):
    """The sum of hits over the sum of what there was to hit, over all batches and processes; 1 where there was nothing.

    torchmetrics' MeanMetric takes weights, but not without its check of every value, which waits for a GPU.
    """

    full_state_update = False
    hits: Tensor
    of: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("hits", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("of", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, hits: Tensor | int, of: Tensor | int) -> None:
        """Count so many hits of so many."""
        self.hits = self.hits + hits
        self.of = self.of + of

    def compute(self) -> Tensor:
        """0..1."""
        return torch.where(self.of > 0, self.hits / self.of.clamp(min=1), 1.0)
