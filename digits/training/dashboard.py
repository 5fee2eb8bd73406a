"""Loggers beyond curves: the task's plots; in TensorBoard also the configuration, histograms and HPARAMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path

import lightning as L
import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from typing_extensions import override

from digits.config.task import Task
from digits.config.types import Value
from digits.runs.read import peek
from digits.runs.weights import load_weights
from digits.training.callbacks import Pruned, Pulse
from digits.training.hparams import add_row, hyperparameters, of_trial, results
from digits.training.loggers.service import Picture, add_image, takes_images
from digits.training.task_module import AnyTask, as_task

ORIGIN = ("overrides", "versions", "commit", "hardware", "device", "data")  # these and the configuration repeat a run


class Dashboard(Callback):
    """Writes the plots of the task's module to every logger that takes images; to TensorBoard more, and all tables.

    The net's input is shown at the start. After every `every_n_epochs` epochs, plots of the current weights and their
    predictions follow under `val/`; at the end, those of the best epoch, whose weights are kept, under `best/`, and
    after the test their predictions for the test split under `test/`. With `every_n_epochs=0` there are none in
    between; with None, as for the trials of a search, there are no plots at all. Steps are not slowed down, and the
    trained weights are the same to the bit without this callback.
    """

    def __init__(self, every_n_epochs: int | None, run_directory: Path) -> None:
        if every_n_epochs is not None and every_n_epochs < 0:
            fix = "give a number of epochs, or 0 for plots only at the start and the end"
            raise ValueError(f"every_n_epochs is {every_n_epochs}; {fix}")
        self.every_n_epochs, self.run_directory = every_n_epochs, run_directory

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the configuration and the row in HPARAMS; unless the run is resumed, show the net's input too."""
        writers, module = writers_of(trainer), as_task(pl_module)
        record = peek(self.run_directory)  # empty if the trainer has no run directory
        recorded, fresh = record.tree(), trainer.ckpt_path is None
        parameters = sum(p.numel() for p in module.evaluated_net.parameters())
        for writer in writers:
            if record.config is not None:
                row, columns = hyperparameters(record.config, record.overrides or ())
                row, columns = of_trial(record.trial, row, columns)
                row = {**row, "parameters": parameters}
                add_row(writer, row, columns, results(module.task), fresh=fresh)
                writer.add_text("config", _code(record.config.tree()))
                writer.add_text("origin", _code({key: recorded[key] for key in ORIGIN if key in recorded}))
            if fresh:  # once: a run that is resumed has it
                writer.add_custom_scalars(layout(module.task))
        if fresh and self.every_n_epochs is not None and (takers := takers_of(trainer)):
            with isolate_rng():
                add_images(takers, module.show_input(writers, _data(trainer)), 0)

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the current weights and their predictions for the validation split."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            module = as_task(pl_module)
            self._show("val", trainer, module, module.evaluated_net, trainer.global_step - 1)  # the curves' last step

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the best epoch's weights and their predictions, and write its metrics in HPARAMS.

        Not in `on_train_end`: Lightning skips that hook if a resumed run has nothing left to train.
        """
        best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor), None)
        takers = takers_of(trainer)
        if not takers or best is None or not best.best_model_path:
            return
        if self.every_n_epochs is not None:
            module = as_task(pl_module)
            net = deepcopy(module.evaluated_net)
            load_weights(net, Path(best.best_model_path))
            self._show("best", trainer, module, net.to(trainer.strategy.root_device), trainer.global_step)
        self._add_best_epoch(trainer, pl_module)

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Write the best epoch's metrics of a pruned trial in HPARAMS; `on_fit_end` is not called for it."""
        if isinstance(exception, Pruned):
            self._add_best_epoch(trainer, pl_module)

    def _add_best_epoch(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        task = as_task(pl_module).task
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # set by Lightning's callback connector
        epochs = [epoch for callback in callbacks if isinstance(callback, Pulse) for epoch in callback.history]
        if (best := task.best_epoch(epochs)) is not None:
            _add_results(trainer, task, "val", best)

    @override
    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the predictions for the test split, and write its metrics in HPARAMS."""
        module, takers = as_task(pl_module), takers_of(trainer)
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        _add_results(trainer, module.task, "test", measured)
        if takers and self.every_n_epochs is not None:
            step, net = trainer.global_step, module.evaluated_net
            add_images(takers, module.show(writers_of(trainer), "test", net, _data(trainer), step), step)

    def _show(self, stage: str, trainer: L.Trainer, module: AnyTask, net: nn.Module, step: int) -> None:
        data, takers, writers = _data(trainer), takers_of(trainer), writers_of(trainer)
        if not takers or getattr(data, "val", None) is None:
            return
        add_images(takers, module.show(writers, stage, net, data, step), step)
        weights = "weights" if stage == "val" else "best_weights"
        for writer in writers:
            for name, values in net.named_parameters():
                writer.add_histogram(f"{weights}/{name}", values.detach().float().cpu(), step)


def layout(task: Task) -> dict[str, dict[str, list[object]]]:
    """The charts under CUSTOM SCALARS: each metric of the three splits. Their tags are regular expressions."""
    names = [metric.name for metric in task.metrics]
    splits = ("train", "val", "test")
    return {"curves": {name: ["Multiline", [f"^{split}/{name}$" for split in splits]] for name in names}}


def takers_of(trainer: L.Trainer) -> list[Logger]:
    """The loggers that take images, on the first process only; none in a fast_dev_run."""
    return [logger for logger in trainer.loggers if takes_images(logger)] if trainer.is_global_zero else []


def add_images(takers: Iterable[Logger], images: Mapping[str, Picture] | None, step: int) -> None:
    """Show what a task's module returned; None: it has no images."""
    for tag, image in (images or {}).items():
        for logger in takers:
            add_image(logger, tag, image, step)


def writers_of(trainer: L.Trainer) -> list[SummaryWriter]:
    """TensorBoard's writers, on the first process only; none in a fast_dev_run."""
    loggers = trainer.loggers if trainer.is_global_zero else []
    return [logger.experiment for logger in loggers if isinstance(logger, TensorBoardLogger)]


def _data(trainer: L.Trainer) -> L.LightningDataModule:
    data: L.LightningDataModule = trainer.datamodule  # type: ignore[attr-defined]  # set by Lightning's data connector
    return data


def _add_results(trainer: L.Trainer, task: Task, split: str, metrics: Mapping[str, float]) -> None:
    """Write a split's metrics to the run's row in HPARAMS, which shows the last value of each."""
    for writer in writers_of(trainer):
        for name in (metric.name for metric in task.headline):
            if f"{split}/{name}" in metrics:
                writer.add_scalar(f"hp/{split}_{name}", metrics[f"{split}/{name}"], trainer.global_step)


def _code(tree: Mapping[str, Value]) -> str:
    return f"```yaml\n{yaml.safe_dump(dict(tree), sort_keys=False)}```"
