"""Classification, the default task: a net that maps images to logits, one per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lightning as L
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from digits.config.task import CLASSIFICATION
from digits.data import Batch
from digits.evaluating.predictions import VIEWS, mean_logits, shifted
from digits.training import pictures
from digits.training.distillation import Teacher, check_loss
from digits.training.loggers.service import Picture
from digits.training.task_module import MakeOptimizer, MakeScheduler, Phase, TaskModule


class Classifier(TaskModule[Batch, Tensor]):
    """Trains a net by minimising a loss of its logits. Accuracy is top-1, 0..1.

    With a `teacher`, its probabilities are the loss's targets in training; accuracy is counted against the labels.
    Raises ConfigError if the loss does not accept probabilities. The test averages the probabilities over `test_views`
    views of each image: the image and shifted copies, padded with `background`.
    """

    task = CLASSIFICATION

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        make_optimizer: MakeOptimizer,
        make_scheduler: MakeScheduler,
        num_classes: int,
        channels_last: bool = False,
        ema_decay: float | None = None,
        teacher: Teacher | None = None,
        test_views: int = 1,
        background: float = 0,
    ) -> None:
        def make_metrics() -> dict[str, Metric]:
            return {"accuracy": top1(num_classes)}

        super().__init__(net, loss, make_optimizer, make_scheduler, make_metrics, channels_last, ema_decay)
        self.shifts, self.background = VIEWS[:test_views], background
        if teacher is not None:
            check_loss(loss, num_classes)
        self.teacher = teacher

    @override
    def loss_of(self, answers: Tensor, batch: Batch, split: Phase) -> Tensor:
        """The loss of logits (B, num_classes) against the labels or, in training, the teacher's probabilities."""
        teacher = self.teacher if split == "train" else None
        loss: Tensor = self.loss(answers, batch.labels if teacher is None else teacher(batch.images))
        return loss

    @override
    def count(self, metrics: Mapping[str, Metric], answers: Tensor, batch: Batch) -> None:
        metrics["accuracy"].update(answers.detach(), batch.labels)

    @override
    def answers_to(self, batch: Batch, split: Phase) -> Tensor:
        """The logits (B, num_classes); in the test, those of the mean probabilities over the views."""
        views = self.shifts if split == "test" else VIEWS[:1]
        seen = [shifted(batch.images, *by, self.background) if any(by) else batch.images for by in views]
        return mean_logits([self(images) for images in seen])

    @override
    def show_input(self, writers: Sequence[SummaryWriter], data: L.LightningDataModule) -> dict[str, Picture]:
        """The first batch, and in TensorBoard the net as a graph."""
        return pictures.show_input(writers, self.evaluated_net, data)

    @override
    def show(
        self, writers: Sequence[SummaryWriter], stage: str, net: nn.Module, data: L.LightningDataModule, step: int
    ) -> dict[str, Picture]:
        """The confusion matrix and more; in TensorBoard precision-recall curves and, at the end, the projector."""
        return pictures.show(writers, stage, net, data, step, views=len(self.shifts) if stage == "test" else 1)


def top1(num_classes: int) -> MulticlassAccuracy:
    """Top-1 accuracy over all images, without torchmetrics' checks of every batch, which would double its cost."""
    return MulticlassAccuracy(num_classes, average="micro", validate_args=False)
