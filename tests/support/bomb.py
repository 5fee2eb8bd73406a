"""A callback that ends a training in a given place, as a test wants it."""

from __future__ import annotations

import os
import signal

import lightning as L
from lightning.pytorch.callbacks import Callback

from digits.data import Batch


class Bomb(Callback):
    """At the `at`-th call of a hook: raises, or sends its own process a signal."""

    def __init__(self, hook: str, at: int, signal_name: str = "") -> None:
        self.hook, self.at, self.signal_name = hook, at, signal_name
        self.calls = 0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._count("fit_start")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._count("train_start")

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._count("train")

    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._count("validation")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._count("epoch_end")

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._count("fit_end")

    def on_test_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._count("test")

    def _count(self, hook: str) -> None:
        self.calls += hook == self.hook
        if hook == self.hook and self.calls == self.at:
            if not self.signal_name:
                raise RuntimeError("the bomb went off")
            os.kill(os.getpid(), signal.Signals[self.signal_name])
