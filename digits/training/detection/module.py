"""The task `detection`: a net that finds the digits on a page, trained on crops and evaluated on whole pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import Metric
from typing_extensions import override

from digits.config.task import DETECTION
from digits.data.pages.rows import PageBatch
from digits.evaluating.pages import find_on_pages, total
from digits.reading.boxes import CLASSES, OBJECTNESS, THRESHOLD
from digits.training.detection import pictures
from digits.training.detection.ratio import Ratio
from digits.training.detection.targets import Targets, make_targets
from digits.training.loggers.service import Picture
from digits.training.task_module import MakeOptimizer, MakeScheduler, Phase, TaskModule

RIGHT_PLACE = 0.3  # in crops, a peak in a cell with at least this heat is not a false find


class PageDetector(TaskModule[PageBatch, Tensor]):
    """Trains a detector on crops of pages; validates and tests it on whole pages, decoded as the reader does.

    The training metrics are those of the crops, counted in cells: a digit is found if there is a peak at its centre or
    beside it, and `pages` is the share of crops without a fault. The loss is measured on crops in every split.
    """

    task = DETECTION

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        make_optimizer: MakeOptimizer,
        make_scheduler: MakeScheduler,
        channels_last: bool = False,
        ema_decay: float | None = None,
    ) -> None:
        def make_metrics() -> dict[str, Metric]:
            names = [metric.name for metric in DETECTION.metrics if metric.name != "loss"]
            return {name: Ratio() for name in names}

        super().__init__(net, loss, make_optimizer, make_scheduler, make_metrics, channels_last, ema_decay)
        self._made_for: Tensor | None = None  # the boxes that `_made` was made of
        self._made: Targets

    @override
    def loss_of(self, answers: Tensor, batch: PageBatch, split: Phase) -> Tensor:
        """The loss of the outputs (B, 16, H, W) for the crops."""
        loss: Tensor = self.loss(answers, self._targets(answers, batch))
        return loss

    @override
    def count(self, metrics: Mapping[str, Metric], answers: Tensor, batch: PageBatch) -> None:
        """Count the digits found on the batch's whole pages, or in its crops if it has no pages."""
        ratios: Mapping[str, tuple[Tensor | int, Tensor | int]] = (
            total(find_on_pages(self.evaluated_net, batch.pages)).ratios
            if batch.pages
            else count_cells(answers.detach().float(), self._targets(answers, batch))
        )
        for name, (hits, of) in ratios.items():
            metrics[name].update(hits, of)

    def _targets(self, answers: Tensor, batch: PageBatch) -> Targets:
        """The targets of a batch, made once for both the loss and the metrics."""
        if self._made_for is not batch.boxes:
            high, wide = answers.shape[-2:]
            self._made_for, self._made = batch.boxes, make_targets(batch.boxes.float(), batch.labels, (high, wide))
        return self._made

    @override
    def show_input(self, writers: Sequence[SummaryWriter], data: L.LightningDataModule) -> dict[str, Picture]:
        """The crops of the first batch and whole pages; in TensorBoard, the net's graph."""
        return pictures.show_input(writers, self.evaluated_net, data)

    @override
    def show(
        self, writers: Sequence[SummaryWriter], stage: str, net: nn.Module, data: L.LightningDataModule, step: int
    ) -> dict[str, Picture]:
        """Pages with the digits found on them, and the worst pages."""
        return pictures.show(stage, net, data)


def count_cells(answers: Tensor, targets: Targets) -> dict[str, tuple[Tensor, Tensor]]:
    """Each metric of crops as (hits, total), counted in cells of the outputs (B, 16, H, W) without decoding boxes."""
    likely = torch.sigmoid(answers[:, OBJECTNESS])  # (B, H, W)
    peaks = (likely >= THRESHOLD) & (likely == around(likely))
    centres = targets.centres
    found = centres & (around(peaks.float()) > 0)
    elsewhere = (targets.heat < RIGHT_PLACE) & (around(centres.float()) == 0)
    false = peaks & ~targets.ignored & elsewhere
    correct = found & (answers[:, CLASSES].argmax(1) == targets.classes)
    perfect = ((centres == correct).flatten(1).all(1)) & ~false.flatten(1).any(1)
    hits = found.sum()
    return {
        "pages": (perfect.sum(), perfect.new_tensor(len(perfect), dtype=torch.int64)),
        "recall": (hits, centres.sum()),
        "precision": (hits, hits + false.sum()),
        "accuracy": (correct.sum(), hits),
    }


def around(values: Tensor) -> Tensor:
    """The maximum of the 3x3 neighbourhood of each cell of (B, H, W)."""
    return F.max_pool2d(values[:, None], 3, stride=1, padding=1)[:, 0]
