"""From a search for a learning rate to its plot, its message, and the configuration to train with."""

from __future__ import annotations

import logging

import torch

from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.data.base import AnyDataModule
from digits.evaluating import figures
from digits.runs.atomic import write_bytes
from digits.runs.layout import LR_FIND
from digits.runs.record import RunDirectory
from digits.training.finding_lr.range_test import search
from digits.training.loggers.service import Picture
from digits.training.pictures import pixels
from digits.training.task_module import AnyTask

log = logging.getLogger(__name__)


def find_lr(
    config: Experiment,
    module: AnyTask,
    data: AnyDataModule,
    device: torch.device,
    run: RunDirectory,
) -> tuple[Experiment, Picture]:
    """Search, write the plot to the run's directory; returns the configuration to train with, and the plot.

    With `trainer.find_lr=use` that has the suggested learning rate. It asks for no search, so that a run which repeats
    it from the record needs none. Raises ConfigError where a rate is to be used and none can be suggested.
    """
    use = config.trainer.find_lr == "use"
    found = search(module, data, config.trainer, device, run.sign_of_life)
    lr, given = found.suggestion, config.optimizer.get("lr")
    plot = figures.card_png(figures.lr_search(found.rates, found.losses, found.smoothed, lr))
    run.once_begun(lambda: write_bytes(run.path / LR_FIND, plot))
    picture = pixels(plot)
    config = config.model_copy(update={"trainer": config.trainer.model_copy(update={"find_lr": False})})
    if lr is None:
        why = f"found no learning rate at which the loss falls ({LR_FIND} shows it)"
        if use:
            raise ConfigError(Fault("trainer.find_lr", f"{why}; give optimizer.lr instead"))
        log.warning("trainer.find_lr %s; training with optimizer.lr=%s", why, given)
        return config, picture
    log.info("suggested: optimizer.lr=%s (%s shows why); training with %s", lr, LR_FIND, lr if use else given)
    return with_lr(config, lr) if use else config, picture


def with_lr(config: Experiment, lr: float) -> Experiment:
    """The configuration with another `optimizer.lr`, and the peak of a one-cycle schedule that was the same."""
    changes = {"optimizer": config.optimizer.changed({"lr": lr})}
    peak = config.scheduler.get("max_lr")
    if peak is not None and peak == config.optimizer.get("lr"):
        changes["scheduler"] = config.scheduler.changed({"max_lr": lr})
    return config.model_copy(update=changes)
