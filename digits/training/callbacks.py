"""Callbacks that every run has: its signs of life, its speed, its progress on the screen."""

from __future__ import annotations

import logging
import statistics
import sys
import time
from collections.abc import Mapping

import lightning as L
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from torch import Tensor

from digits.data import Batch
from digits.training.run import RunDirectory

log = logging.getLogger(__name__)

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


class Pulse(Callback):
    """Writes the run's signs of life, and measures its speed: images a second of training, validation left out."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.history: list[dict[str, float]] = []
        self._begun = self._ended = 0.0
        self._images = 0

    @property
    def images_per_second(self) -> float:
        """The median over the epochs, all processes together."""
        rates = [epoch["train/images_per_second"] for epoch in self.history]
        return statistics.median(rates) if rates else 0.0

    @property
    def current_rate(self) -> float:
        """Images a second of the epoch so far, this process's."""
        return self._images / max(self._ended - self._begun, 1e-9)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._begun, self._images = time.perf_counter(), 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count the batch."""
        self._ended = time.perf_counter()
        self._images += len(batch.labels)
        if trainer.is_global_zero:
            self.run.sign_of_life()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the epoch's speed, and keep its metrics."""
        rate = self.current_rate * trainer.world_size
        pl_module.log("train/images_per_second", rate, rank_zero_only=True)
        means = {name: float(value) for name, value in trainer.callback_metrics.items() if name in CURVES}
        self.history.append({"epoch": trainer.current_epoch, **means, "train/images_per_second": round(rate, 1)})

    def state_dict(self) -> dict[str, object]:
        """The epochs so far, for a run that goes on."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, list[dict[str, float]]]) -> None:
        """Go on after the epochs of a checkpoint."""
        self.history = list(state_dict["history"])


class Progress(TQDMProgressBar):
    """A bar with images a second while an epoch runs, where there is a terminal; a line when it has ended."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__(refresh_rate=25)
        self.pulse = pulse
        self._terminal = sys.stderr.isatty()
        if not self._terminal:
            self.disable()

    def disable(self) -> None:
        """Lightning disables the bar on all but the first process."""
        self._terminal = False
        super().disable()

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
            log.info(
                "%s  %s  %s images/s",
                epoch,
                summary_line(trainer.callback_metrics),
                f"{self.pulse.current_rate:,.0f}",
            )


def summary_line(metrics: Mapping[str, Tensor | float]) -> str:
    """Losses and accuracies in one line, as far as there are any."""
    parts = []
    for split in ("train", "val"):
        loss, accuracy = metrics.get(f"{split}/loss"), metrics.get(f"{split}/accuracy")
        if loss is not None and accuracy is not None:
            parts.append(f"{split} loss {float(loss):.4f} accuracy {float(accuracy):7.2%}")
    return "  ".join(parts)
