"""Losses that are not finite for some training batches, or whose gradient isn't."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PoisonedLoss(nn.Module):
    """Cross-entropy, but in the training steps `at`: a loss that is not finite, or only its gradient."""

    def __init__(self, at: list[int], gradient_only: bool = False) -> None:
        super().__init__()
        self.at, self.gradient_only, self.steps = at, gradient_only, 0

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(logits, labels)
        if not torch.is_grad_enabled():
            return loss
        self.steps += 1
        if self.steps - 1 not in self.at:
            return loss
        if self.gradient_only:
            zero = (logits * 0).abs().sqrt().sum()  # 0, with the slope of the root at 0
            return loss + zero
        return loss * float("inf")


class PoisonousNet(nn.Module):
    """A net with BatchNorm whose activations overflow for images of one class: what the forward pass spoils."""

    def __init__(self, image_size: int, num_classes: int, poison: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(image_size**2)
        self.last = nn.Linear(image_size**2, num_classes)
        self.poison, self.calls = poison, 0

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        if self.training:
            self.calls += 1
            if self.calls == self.poison:
                flat = flat * float("inf")
        logits: Tensor = self.last(self.norm(flat))
        return logits
