"""Callbacks that every run has: its signs of life, its speed, its progress on the screen."""

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

from digits.config.task import Task
from digits.runs.record import RunDirectory
from digits.training.task_module import AnyBatch, as_task

log = logging.getLogger(__name__)


class Pulse(Callback):
    """Writes the run's signs of life, and measures its speed.

    `images_per_second` is what training comes to with everything that an epoch costs, logs, checkpoints and pictures;
    only the time in validation is left out, since it trains on nothing. The bar shows that of the steps alone.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.history: list[dict[str, float]] = []
        self.rates: list[float] = []
        self._validated: dict[str, float] = {}  # in this epoch, when last
        self._former_seconds = self._fit_begun = self._fit_ended = 0.0
        self._epoch_begun = self._validation_begun = self._validating = self._last_step = 0.0
        self._images = 0

    @property
    def images_per_second(self) -> float:
        """The median over the epochs, all processes together."""
        return round(statistics.median(self.rates), 1) if self.rates else 0.0

    @property
    def current_rate(self) -> float:
        """Images a second of the epoch's steps so far, this process's."""
        return self._images / max(self._last_step - self._epoch_begun, 1e-9)

    @property
    def seconds(self) -> float:
        """Seconds of fitting, those before an interruption included."""
        return self._former_seconds + (self._fit_ended or time.perf_counter()) - self._fit_begun

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._fit_begun, self._fit_ended = time.perf_counter(), 0.0

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock: the last pictures are no training."""
        self._fit_ended = time.perf_counter()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock of an epoch that goes on in its middle, where it has no start."""
        self._epoch_begun = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock, and read the former epoch's."""
        self._close_epoch(trainer)
        self._epoch_begun, self._validating, self._images = time.perf_counter(), 0.0, 0
        self._validated = {}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Read the last epoch's clock."""
        self._close_epoch(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Stop all clocks: a trial that is pruned ends so."""
        self._close_epoch(trainer)
        self._fit_ended = time.perf_counter()

    def _close_epoch(self, trainer: L.Trainer) -> None:
        if self._images:
            span = time.perf_counter() - self._epoch_begun - self._validating
            self.rates.append(self._images * trainer.world_size / span)
            self._images = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Count the batch; after the first the run's files are this start's."""
        self.run.first_step()
        if trainer.is_last_batch and pl_module.device.type == "cuda":
            torch.cuda.synchronize()  # once an epoch: else its steps would only have been asked for
        self._last_step = time.perf_counter()
        self._images += len(batch.images)
        self._live(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the epoch's clock."""
        self._validation_begun = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start it again."""
        self._validating += time.perf_counter() - self._validation_begun
        self._validated = means(trainer, as_task(pl_module).task, "val")
        self._live(trainer)

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """A long test is a sign of life too."""
        self._live(trainer)

    def _live(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero:
            self.run.sign_of_life()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the epoch's means and its speed, and keep them."""
        module = as_task(pl_module)
        module.log_means("train")
        rate = self.current_rate * trainer.world_size
        pl_module.log("train/images_per_second", rate, rank_zero_only=True)
        epoch = {"epoch": trainer.current_epoch, **means(trainer, module.task, "train"), **self._validated}
        self.history.append({**epoch, "train/images_per_second": round(rate, 1)})

    def state_dict(self) -> dict[str, object]:
        """The epochs so far, for a run that goes on."""
        return {"history": self.history, "rates": self.rates, "seconds": self.seconds, "validated": self._validated}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Go on after the epochs of a checkpoint."""
        history, rates, seconds = state_dict["history"], state_dict["rates"], state_dict["seconds"]
        assert isinstance(history, list)
        assert isinstance(rates, list)
        assert isinstance(seconds, float)
        validated = state_dict["validated"]
        assert isinstance(validated, dict)
        self._validated = dict(validated)
        self.history, self.rates, self._former_seconds = list(history), list(rates), seconds


def means(trainer: L.Trainer, task: Task, split: str) -> dict[str, float]:
    """The task's metrics of a split as they were logged last."""
    names = [f"{split}/{metric.name}" for metric in task.metrics]
    return {name: float(trainer.callback_metrics[name]) for name in names if name in trainer.callback_metrics}


class Progress(TQDMProgressBar):
    """A bar with images a second while an epoch runs, where there is a terminal; a line when it has ended."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__(refresh_rate=25)
        self.pulse = pulse
        if not sys.stderr.isatty():
            self.disable()

    def get_metrics(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What stands behind the bar."""
        shown = super().get_metrics(trainer, pl_module)
        shown.pop("v_num", None)
        return {**shown, "images/s": f"{self.pulse.current_rate:,.0f}"}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say what the epoch came to."""
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.is_global_zero and not trainer.sanity_checking:
            epoch = f"epoch {trainer.current_epoch + 1:>{len(str(trainer.max_epochs))}}/{trainer.max_epochs}"
            metrics = summary_line(trainer.callback_metrics, as_task(pl_module).task)
            with tqdm.external_write_mode():  # on a terminal: above the bar, not behind it
                log.info("%s  %s  %s images/s", epoch, metrics, f"{self.pulse.current_rate:,.0f}")


def summary_line(metrics: Mapping[str, Tensor | float], task: Task) -> str:
    """The task's metrics in one line, as far as there are any."""
    parts = []
    for split in ("train", "val"):
        told = [
            f"{metric.name} {float(metrics[name]):{'7.2%' if metric.fraction else '.4f'}}"
            for metric in task.metrics
            if (name := f"{split}/{metric.name}") in metrics
        ]
        if told:
            parts.append(" ".join([split, *told]))
    return "  ".join(parts)


class LastSteps(Callback):
    """Validates after the last step of `trainer.max_steps`, wherever in an epoch it is.

    Lightning would leave an epoch that it ends so without validation, and the run without a best checkpoint.
    """

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Ask for the end, which Lightning validates before."""
        if 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True


Watcher = Callable[[int, float], bool]
"""Takes the number of epochs done and the figure after them; whether the trial should end here."""


class Pruned(Exception):  # noqa: N818 (it is no error)
    """A trial was ended, since others were better after as many epochs."""


class Pruning(Callback):
    """Tells a search's objective after every epoch, and ends the training where the answer is to.

    The epoch is then not closed, so `last.ckpt` is that of the one before: `resume=RUN` makes the epoch again, to the
    bit, and trains on to the end.
    """

    def __init__(self, watch: Watcher, metric: str) -> None:
        self._watch, self._metric = watch, metric

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the epoch's figure; raises Pruned where that was enough."""
        if self._metric in trainer.callback_metrics:  # not where there is no image to be validated
            epochs = trainer.current_epoch + 1
            if self._watch(epochs, float(trainer.callback_metrics[self._metric])):
                raise Pruned
