"""The LightningModule around any net that turns images into logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer
from torch.optim.swa_utils import AveragedModel
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from digits.data import Batch
from digits.evaluating.predictions import VIEWS, mean_logits, shifted
from digits.training.distillation import Teacher, check_loss

Phase: TypeAlias = Literal["train", "val", "test"]
MakeOptimizer: TypeAlias = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeScheduler: TypeAlias = Callable[[Optimizer, int, int], tuple[LRScheduler, str]]
"""(optimizer, steps of the training, epochs of the training) -> (schedule, what it counts: step or epoch)."""

LENGTHS = ("total_steps", "T_max", "total_iters", "_schedule_phases")
"""What a learning-rate schedule keeps of the training's length."""


SUMS = "train_sums"
"""Where a checkpoint keeps what the running means of a training epoch are made of."""


class Classifier(L.LightningModule):
    """Trains a net by minimising a loss of its logits; validates and tests its moving average if there is one.

    With a `teacher`, its probabilities are the loss's targets in training; accuracy is counted by the labels. Raises
    ConfigError where the loss takes none.

    Logs `train/loss` and `train/accuracy` as means over the epoch, `val/` and `test/` likewise; every
    `log_every_n_steps` steps `train/loss_step`, `train/gradient_norm` and `lr`. Accuracy is top-1, 0..1. With a mixed
    precision the forward pass of training alone is mixed; validation and test are in float32. What is tested is the
    mean of the probabilities over `test_views` views of each picture, shifts that let in `background`.
    """

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
        super().__init__()
        self.shifts, self.background = VIEWS[:test_views], background
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net.to(memory_format=layout)
        self.averaged = None if ema_decay is None else AveragedModel(net, multi_avg_fn=ema(ema_decay), use_buffers=True)
        if self.averaged is not None:
            self.averaged.requires_grad_(False)  # else DDP waits for gradients that never come
        if teacher is not None:
            check_loss(loss, num_classes)
        self.loss, self.teacher = loss, teacher
        self.step_loss = torch.zeros(())  # of the last training batch
        self.make_optimizer, self.make_scheduler = make_optimizer, make_scheduler
        # without its check of every value for NaN, which waits for a GPU; weights are ignored then, so none are given
        self.train_loss, self.val_loss, self.test_loss = (MeanMetric(nan_strategy="disable") for _ in range(3))
        self.train_accuracy, self.val_accuracy, self.test_accuracy = (top1(num_classes) for _ in range(3))

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, past torch's search where Lightning notes its hook's name, as it does many times a step.

        torch takes every name for one that may be a parameter's.
        """
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)  # type: ignore[arg-type]  # torch says Tensor | Module, and takes anything

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 1, H, W) to logits (B, num_classes), by the weights that are validated."""
        logits: Tensor = self.evaluated_net(images)
        return logits

    @property
    def evaluated_net(self) -> nn.Module:
        """The net that is validated, tested and kept: the moving average if there is one."""
        if self.averaged is None:
            return self.net
        return self.averaged.module

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        logits = self.net(batch.images)
        loss: Tensor = self.loss(logits, batch.labels if self.teacher is None else self.teacher(batch.images))
        self.step_loss = loss.detach()
        self._count("train", loss, logits, batch)
        if self._logs_this_step():
            self.log("train/loss_step", loss)
            self.log("lr", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]  # one optimizer, no list
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch of the validation split."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch of the test split."""
        self._evaluate("test", batch, self.shifts)

    def _evaluate(self, split: Phase, batch: Batch, views: Sequence[tuple[int, int]] = VIEWS[:1]) -> None:
        # Without autocast: what is recorded is what the saved weights give wherever they are loaded
        with torch.autocast(self.device.type, enabled=False):
            seen = [shifted(batch.images, *by, self.background) if any(by) else batch.images for by in views]
            logits = mean_logits([self(images) for images in seen])
            if len(batch.labels):  # a process with fewer images than batches takes part with an empty one
                self._count(split, self.loss(logits, batch.labels), logits, batch)
        self.log_means(split)

    def _count(self, split: Phase, loss: Tensor, logits: Tensor, batch: Batch) -> None:
        mean_loss, accuracy = self._metrics(split)
        mean_loss.update(loss.detach().expand(len(batch.labels)))
        accuracy.update(logits.detach(), batch.labels)

    def log_means(self, split: Phase) -> None:
        """Log the means over the epoch so far; `Pulse` does so for the training split, once it has ended."""
        mean_loss, accuracy = self._metrics(split)
        self.log_dict({f"{split}/loss": mean_loss, f"{split}/accuracy": accuracy}, on_step=False, on_epoch=True)

    def _metrics(self, split: Phase) -> tuple[MeanMetric, MulticlassAccuracy]:
        return {
            "train": (self.train_loss, self.train_accuracy),
            "val": (self.val_loss, self.val_accuracy),
            "test": (self.test_loss, self.test_accuracy),
        }[split]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the norm of the gradients, before they are clipped."""
        if self._logs_this_step():
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    def _logs_this_step(self) -> bool:
        return self._log_every() > 0 and (self.global_step + 1) % self._log_every() == 0

    def _log_every(self) -> int:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by Lightning's logger connector
        return every

    def optimizer_step(self, *args: object, **kwargs: object) -> None:
        """One step of the optimizer, and of the moving average unless the step was left out."""
        super().optimizer_step(*args, **kwargs)  # type: ignore[arg-type]  # passed on as Lightning gave them
        if self.averaged is not None and any(p.grad is not None for p in self.net.parameters()):
            self.averaged.update_parameters(self.net)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's means; an epoch that a checkpoint cut in two goes on with its own."""
        for metric in self._metrics("train"):
            metric.reset()

    def on_train_start(self) -> None:
        """Bring the teacher along. See that a short epoch has at least one point in the per-step curves."""
        if self.teacher is not None:
            self.teacher.to(self.device)
        batches = int(self.trainer.num_training_batches)
        every = max(1, min(self._log_every(), batches))
        self.trainer.log_every_n_steps = every  # type: ignore[attr-defined]  # set by Lightning's logger connector

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer and the learning-rate schedule."""
        optimizer = self.make_optimizer(self.net.parameters())
        epochs = self.trainer.max_epochs
        assert epochs is not None
        scheduler, interval = self.make_scheduler(optimizer, int(self.trainer.estimated_stepping_batches), epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    @property
    def sums(self) -> dict[str, Tensor]:
        """What the means of the training epoch are made of so far; this process's share."""
        metrics = enumerate(self._metrics("train"))
        states = {f"{i}.{name}": value for i, metric in metrics for name, value in metric.metric_state.items()}
        return {name: value.clone() for name, value in states.items() if isinstance(value, Tensor)}

    @sums.setter
    def sums(self, sums: dict[str, Tensor]) -> None:
        for i, metric in enumerate(self._metrics("train")):
            for name in metric.metric_state:
                setattr(metric, name, sums[f"{i}.{name}"])

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Add the sums behind the epoch's means, those of every process."""
        gathered = self.all_gather(self.sums)
        assert isinstance(gathered, dict)
        checkpoint[SUMS] = {name: value.reshape(self.trainer.world_size).cpu() for name, value in gathered.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, dict[str, Tensor]]) -> None:
        """Take up the sums. Let a run that goes on for longer have a schedule of its new length, at its position."""
        self.sums = {
            name: checkpoint[SUMS][name][self.global_rank].reshape(value.shape) for name, value in self.sums.items()
        }
        for saved in checkpoint.get("lr_schedulers", []):
            assert isinstance(saved, dict)
            for length in LENGTHS:
                saved.pop(length, None)


def top1(num_classes: int) -> MulticlassAccuracy:
    """Top-1 accuracy over all images, without torchmetrics' checks of every batch, which cost as much as it does."""
    return MulticlassAccuracy(num_classes, average="micro", validate_args=False)


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
