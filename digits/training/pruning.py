"""Ending a hopeless trial of a search: after each epoch its figure is told, and whoever listens may say stop."""

from __future__ import annotations

from collections.abc import Callable

import lightning as L
from lightning.pytorch.callbacks import Callback

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
