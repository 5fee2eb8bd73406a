"""Callbacks that every run has: heartbeats, speed, progress on the screen."""

from __future__ import annotations

import logging
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from digits.config.task import Task
from digits.runs.record import RunDirectory
from digits.training.task_module import AnyBatch, as_task

log = logging.getLogger(__name__)


class Pulse(Callback):
    """Writes the run's heartbeats and measures its speed.

    `images_per_second` counts all the time of an epoch, with logs, checkpoints and plots, but without validation, which
    does not train. The progress bar shows the speed of the steps alone.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.history: list[dict[str, float]] = []
        self.rates: list[float] = []
        self._validated: dict[str, float] = {}  # the latest validation metrics of this epoch
        self._former_seconds = self._fit_begun = self._fit_ended = 0.0
        self._epoch_begun = self._validation_begun = self._validating = self._last_step = 0.0
        self._images = 0

    @property
    def images_per_second(self) -> float:
        """Images per second of all processes together, the median over the epochs."""
        return round(statistics.median(self.rates), 1) if self.rates else 0.0

    @property
    def current_rate(self) -> float:
        """Images per second of this process, over the epoch's steps so far."""
        return self._images / max(self._last_step - self._epoch_begun, 1e-9)

    @property
    def seconds(self) -> float:
        """Seconds of fitting, including those before an interruption."""
        return self._former_seconds + (self._fit_ended or time.perf_counter()) - self._fit_begun

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._fit_begun, self._fit_ended = time.perf_counter(), 0.0

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock: the plots at the end are not training."""
        self._fit_ended = time.perf_counter()

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock of an epoch that is resumed in its middle: it has no `on_train_epoch_start`."""
        self._epoch_begun = time.perf_counter()

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close_epoch(trainer)
        self._epoch_begun, self._validating, self._images = time.perf_counter(), 0.0, 0
        self._validated = {}

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close_epoch(trainer)

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Stop all clocks: a pruned trial ends with an exception."""
        self._close_epoch(trainer)
        self._fit_ended = time.perf_counter()

    def _close_epoch(self, trainer: L.Trainer) -> None:
        if self._images:
            span = time.perf_counter() - self._epoch_begun - self._validating
            self.rates.append(self._images * trainer.world_size / span)
            self._images = 0

    @override
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Count the batch; from the first one on, the run's files are those of this start."""
        self.run.first_step()
        if trainer.is_last_batch and pl_module.device.type == "cuda":
            torch.cuda.synchronize()  # once per epoch, else its last steps would be queued but not counted
        self._last_step = time.perf_counter()
        self._images += len(batch.images)
        self._live(trainer)

    @override
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validation_begun = time.perf_counter()

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validating += time.perf_counter() - self._validation_begun
        self._validated = means(trainer, as_task(pl_module).task, "val")
        self._live(trainer)

    @override
    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write a heartbeat, since a test can be long too."""
        self._live(trainer)

    def _live(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero:
            self.run.sign_of_life()

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module = as_task(pl_module)
        module.log_means("train")
        rate = self.current_rate * trainer.world_size
        pl_module.log("train/images_per_second", rate, rank_zero_only=True)
        epoch = {"epoch": trainer.current_epoch, **means(trainer, module.task, "train"), **self._validated}
        self.history.append({**epoch, "train/images_per_second": round(rate, 1)})

    @override
    def state_dict(self) -> dict[str, object]:
        return {"history": self.history, "rates": self.rates, "seconds": self.seconds, "validated": self._validated}

    @override
    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        history, rates, seconds = state_dict["history"], state_dict["rates"], state_dict["seconds"]
        assert isinstance(history, list)
        assert isinstance(rates, list)
        assert isinstance(seconds, float)
        validated = state_dict["validated"]
        assert isinstance(validated, dict)
        self._validated = dict(validated)
        self.history, self.rates, self._former_seconds = list(history), list(rates), seconds


def means(trainer: L.Trainer, task: Task, split: str) -> dict[str, float]:
    """The task's metrics of a split, as last logged."""
    names = [f"{split}/{metric.name}" for metric in task.metrics]
    return {name: float(trainer.callback_metrics[name]) for name in names if name in trainer.callback_metrics}


class Progress(TQDMProgressBar):
    """A progress bar with images per second, on a terminal only; one line at each epoch's end."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__(refresh_rate=25)
        self.pulse = pulse
        if not sys.stderr.isatty():
            self.disable()

    @override
    def get_metrics(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        shown = super().get_metrics(trainer, pl_module)
        shown.pop("v_num", None)
        return {**shown, "images/s": f"{self.pulse.current_rate:,.0f}"}

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.is_global_zero and not trainer.sanity_checking:
            epoch = f"epoch {trainer.current_epoch + 1:>{len(str(trainer.max_epochs))}}/{trainer.max_epochs}"
            metrics = summary_line(trainer.callback_metrics, as_task(pl_module).task)
            with tqdm.external_write_mode():  # on a terminal: above the bar, not inside it
                log.info("%s  %s  %s images/s", epoch, metrics, f"{self.pulse.current_rate:,.0f}")


def summary_line(metrics: Mapping[str, Tensor | float], task: Task) -> str:
    """The task's metrics in one line, those that were measured."""
    parts = []
    for split in ("train", "val"):
        shown = [
            f"{metric.name} {float(metrics[name]):{'7.2%' if metric.fraction else '.4f'}}"
            for metric in task.metrics
            if (name := f"{split}/{metric.name}") in metrics
        ]
        if shown:
            parts.append(" ".join([split, *shown]))
    return "  ".join(parts)


class LastSteps(Callback):
    """Validates after the last step of `trainer.max_steps`, even in the middle of an epoch.

    Lightning would end that epoch without a validation, and the run without a best checkpoint.
    """

    @override
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Request the stop; Lightning validates before it stops."""
        if 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True


Watcher = Callable[[int, float], bool]  # (epochs done, metric after them) -> whether to prune the trial


class Pruned(Exception):  # noqa: N818 (not an error)
    """A trial was pruned: others were better after as many epochs."""


class Pruning(Callback):
    """Reports a search's objective after every epoch, and ends the training when the trial is to be pruned.

    That epoch is not completed, so `last.ckpt` is the one of the epoch before: `resume=RUN` repeats the epoch, to the
    bit, and trains to the end.
    """

    def __init__(self, watch: Watcher, metric: str) -> None:
        self._watch, self._metric = watch, metric

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the epoch's metric; raises Pruned when the trial is to end."""
        if self._metric in trainer.callback_metrics:  # absent without validation images
            epochs = trainer.current_epoch + 1
            if self._watch(epochs, float(trainer.callback_metrics[self._metric])):
                raise Pruned
