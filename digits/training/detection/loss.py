"""The training loss of a page detector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digits.reading.boxes import BOX, CLASSES, OBJECTNESS, SMALLER
from digits.training.detection.targets import Targets


class DetectionLoss(nn.Module):
    """The sum of four losses, each a mean over the cells or centres that it applies to.

    Objectness: the focal loss of CenterNet (Zhou et al. 2019, eq. 1), which gives little weight to cells near a centre
    and to cells that are already correct. Class: cross-entropy, with `label_smoothing`. Box: smooth L1 times
    `box_weight`. Smaller digits: binary cross-entropy times `gate_weight`.
    """

    def __init__(self, label_smoothing: float, box_weight: float, gate_weight: float) -> None:
        super().__init__()
        self.label_smoothing, self.box_weight, self.gate_weight = label_smoothing, box_weight, gate_weight

    def forward(self, answers: Tensor, targets: Targets) -> Tensor:
        """The loss, a scalar, of outputs (B, 16, H, W) against their targets."""
        answers = answers.float()  # with mixed precision they are bf16, too coarse for the logarithms below
        near = targets.classes >= 0  # (B, H, W)
        chosen = answers.movedim(1, -1)[near]  # (N, 16)
        loss = focal(answers[:, OBJECTNESS], targets)
        loss = loss + self.gate_weight * gate(answers[:, SMALLER], targets)
        if len(chosen) == 0:
            return loss
        labels, boxes = targets.classes[near], targets.boxes.movedim(1, -1)[near]
        loss = loss + F.cross_entropy(chosen[:, CLASSES], labels, label_smoothing=self.label_smoothing)
        return loss + self.box_weight * F.smooth_l1_loss(chosen[:, BOX], boxes, beta=0.1)


def focal(logits: Tensor, targets: Targets) -> Tensor:
    """Focal loss of objectness logits (B, H, W), divided by the number of centres."""
    centres, likely = targets.centres, torch.sigmoid(logits)
    at_centre = (1 - likely).square() * F.logsigmoid(logits)
    elsewhere = (1 - targets.heat) ** 4 * likely.square() * F.logsigmoid(-logits)
    counted = torch.where(centres, at_centre, torch.where(targets.ignored, 0.0, elsewhere))
    return -counted.sum() / centres.sum().clamp(min=1)


def gate(logits: Tensor, targets: Targets) -> Tensor:
    """Binary cross-entropy of the smaller-digit logits (B, H, W), a mean over the cells whose target is certain."""
    each = F.binary_cross_entropy_with_logits(logits, targets.smaller, reduction="none")
    sure = ~targets.unsure
    return (each * sure).sum() / sure.sum().clamp(min=1)
