"""A guard against losses and gradients that are not finite: the optimizer's step is skipped."""

from __future__ import annotations

import logging
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.optim.optimizer import Optimizer
from typing_extensions import override

from digits.config.types import Tree, Value
from digits.runs.atomic import write_json
from digits.runs.layout import NONFINITE
from digits.runs.record import RunDirectory
from digits.training.task_module import AnyBatch, as_task

log = logging.getLogger(__name__)

MOST_SKIPS = 20  # steps that may be skipped in a row; after more, the weights themselves are at fault

WHAT_TO_TRY = "Start from scratch with a smaller optimizer.lr, trainer.gradient_clip_val=1 or trainer.precision=32-true"
OR_SKIP = ", or with trainer.on_nonfinite=skip to skip these batches"


class NonfiniteError(Exception):
    """A loss or a gradient was not finite; the message says where, and what to try."""


class NonfiniteGuard(Callback):
    """Checks every loss and gradient before the optimizer uses it: a step that would spoil the weights is skipped.

    `stop` ends the run with NonfiniteError and writes `nonfinite.json`: indices (rows of the training images), seed
    and loss of the step's batches, to repeat it. `skip` skips the step, BatchNorm's statistics included; after 20 in a
    row it stops as well. `ignore` checks nothing, which on a GPU saves a synchronisation per step.
    """

    def __init__(self, on_nonfinite: Literal["stop", "skip", "ignore"], run: RunDirectory) -> None:
        self.on_nonfinite, self.run = on_nonfinite, run
        self._batches: list[tuple[AnyBatch, Tensor]] = []  # since the last step of the optimizer, each with its loss
        self._buffers: list[Tensor] = []
        self._sums: dict[str, Tensor] = {}
        self._batch: AnyBatch | None = None
        self._skipped = 0

    @override
    def state_dict(self) -> dict[str, int]:
        return {"skipped": self._skipped}

    @override
    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._skipped = state_dict["skipped"]

    @override
    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Copy what the forward pass may spoil: buffers and running sums."""
        self._batch = batch
        if self.on_nonfinite == "skip" and not self._batches:
            self._buffers, self._sums = [buffer.clone() for buffer in pl_module.buffers()], as_task(pl_module).sums

    @override
    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        assert self._batch is not None
        if self.on_nonfinite != "ignore":
            # not `loss`, which is divided by the number of accumulated batches, and scaled
            self._batches.append((self._batch, as_task(pl_module).step_loss))

    @override
    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Check the losses since the last optimizer step, and their gradients."""
        if self.on_nonfinite == "ignore":
            return
        batches, self._batches = self._batches, []
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        plugin = trainer.precision_plugin
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        spoilt = not all(bool(torch.isfinite(value)) for value in (norm, *(loss for _, loss in batches)))
        if trainer.world_size > 1:
            spoilt = trainer.strategy.reduce_boolean_decision(spoilt, all=False)
        if not spoilt:
            self._skipped = 0
            return
        self._skipped += 1
        if isinstance(plugin, MixedPrecision) and plugin.scaler is not None and self._skipped <= MOST_SKIPS:
            return  # the scaler skips such steps itself, and lowers its scale
        if self.on_nonfinite == "stop" or self._skipped > MOST_SKIPS:
            raise NonfiniteError(self._leave_behind(trainer, batches, float(norm)))
        log.warning("step %d skipped: its loss or gradient is not finite", trainer.global_step)
        for buffer, former in zip(pl_module.buffers(), self._buffers, strict=True):
            buffer.copy_(former)
        as_task(pl_module).sums = self._sums
        optimizer.zero_grad(set_to_none=True)  # torch's optimizers skip parameters without a gradient

    def _leave_behind(self, trainer: L.Trainer, batches: list[tuple[AnyBatch, Tensor]], norm: float) -> str:
        """Write what is needed to repeat the step; returns the error message."""
        losses = [float(loss) for _, loss in batches]
        name = NONFINITE if trainer.is_global_zero else f"rank-{trainer.global_rank}-{NONFINITE}"
        tree: Tree = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "gradient_norm": str(norm),
            "batches": list[Value](
                {"indices": batch.indices.tolist(), "seed": batch.seed, "loss": str(loss)}
                for (batch, _), loss in zip(batches, losses, strict=True)
            ),
        }
        self.run.first_step()  # removes the files of an earlier start before this one is written
        write_json(self.run.path / name, tree)
        skips = f" (the {MOST_SKIPS} steps before it were skipped as well)" if self._skipped > 1 else ""
        return (
            f"epoch {trainer.current_epoch + 1}, step {trainer.global_step}: the loss is {losses[-1]:g}, "
            f"the norm of its gradient {norm:g}{skips}; the step was skipped, its images and seed are in {name}. "
            f"{WHAT_TO_TRY}{OR_SKIP * (self.on_nonfinite == 'stop')}"
        )
