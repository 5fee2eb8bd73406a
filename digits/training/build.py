"""From sections of the configuration to the objects that train: what `experiment.py` calls by name."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer

from digits.config.arguments import LIGHTNINGS
from digits.config.faults import ConfigError, Fault
from digits.config.instantiate import bind, instantiate, resolve
from digits.config.lengths import check_loops
from digits.config.schema import Experiment, Trainer
from digits.config.types import Target
from digits.data.base import AnyDataModule
from digits.training.checkpoints import CheckpointFiles
from digits.training.distillation import Teacher
from digits.training.metrics_csv import MetricsCSV
from digits.training.task_module import AnyTask, Schedule, TaskModule


def make_module(
    config: Experiment, net: nn.Module, num_classes: int, teacher: Teacher | None = None, background: float = 0
) -> AnyTask:
    """The task's LightningModule around a net, with its loss, optimizer and schedule, and what else it has a use for.

    `background` is a black pixel, normalised. Raises ConfigError for what was asked for that the task doesn't take.
    """

    def make_optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        return cast(Optimizer, instantiate(config.optimizer, parameters))

    def make_scheduler(optimizer: Optimizer, steps: int, epochs: int) -> Schedule:
        interval, monitor = str(config.scheduler.get("interval") or "epoch"), config.scheduler.get("monitor")
        section = with_lengths(config.scheduler, steps if interval == "step" else epochs).without(LIGHTNINGS)
        return Schedule(cast(LRScheduler, instantiate(section, optimizer)), interval, cast(str | None, monitor))

    bind(config.optimizer, net.parameters())  # a fault in them is told now, not when fitting starts
    bind(config.scheduler.without(LIGHTNINGS), None)
    loss = cast(nn.Module, instantiate(config.loss))
    trainer = config.trainer
    named = {"net": net, "loss": loss, "make_optimizer": make_optimizer, "make_scheduler": make_scheduler,
             "num_classes": num_classes, "channels_last": trainer.channels_last, "ema_decay": trainer.ema_decay,
             "teacher": teacher, "test_views": config.test_views, "background": background}  # fmt: skip
    found = resolve(config.task.target)
    if not (isinstance(found, type) and issubclass(found, TaskModule)):
        raise ConfigError(Fault("task._target_", f"{config.task.target} is no {TaskModule.__name__}"))
    taken = bind(config.task, **named)
    asked = (
        ("teachers", "teacher", teacher is not None),
        ("test_views", "test_views", config.test_views > 1),
        ("trainer.ema_decay", "ema_decay", trainer.ema_decay is not None),
    )
    if idle := [key for key, name, is_asked in asked if is_asked and name not in taken]:
        raise ConfigError(*[Fault(key, f"{config.task.target} has no use for it; leave it out") for key in idle])
    return cast(AnyTask, instantiate(config.task, **named))


def with_lengths(schedule: Target, steps: int) -> Target:
    """A schedule with the lengths that it leaves to the training, of so many steps (or epochs)."""
    whole = dict.fromkeys(("total_steps", "T_max", "total_iters"), steps)
    if schedule.target.endswith(".ConstantLR"):
        whole["total_iters"] = sys.maxsize  # it never ends
    open_ended = [key for key, value in schedule.tree().items() if key in whole and value is None]
    schedule = schedule.changed({key: whole[key] for key in open_ended})
    total, up = schedule.get("total_steps"), schedule.get("pct_start")
    if not schedule.target.endswith(".OneCycleLR") or not isinstance(total, int):
        return schedule
    if total == 1:  # torch would take it for the last, whose rate is next to nothing
        return schedule.changed({"div_factor": 1.0, "final_div_factor": 1.0})
    if isinstance(up, float) and up * total == 1.0:  # torch would divide by up * total - 1
        return schedule.changed({"pct_start": (1 + 1e-9) / total})
    return schedule


class EventFiles(TensorBoardLogger):
    """Lightning's, which takes `$HOME` in a folder's name for the variable and writes to another folder."""

    @property
    def log_dir(self) -> str:
        """The folder of the files."""
        version = self.version if isinstance(self.version, str) else f"version_{self.version}"
        return str(Path(self.root_dir, version, self.sub_dir or ""))


def make_loggers(sections: Mapping[str, Target], run_directory: Path, from_step: int | None) -> list[Logger]:
    """The loggers, writing into the run's directory; with `from_step` they forget what was logged from there on."""
    loggers: list[Logger] = []
    for section in sections.values():
        if section.target.endswith(f".{TensorBoardLogger.__name__}"):
            # always: TensorBoard takes a log's first note of a start for no restart
            ours = {"_target_": f"{EventFiles.__module__}.{EventFiles.__name__}"}
            is_lightnings = section.target.startswith("lightning.")
            section = section.changed({"purge_step": from_step or 0, **(ours if is_lightnings else {})})
        logger = instantiate(section, save_dir=run_directory, run_directory=run_directory)
        if from_step is not None and isinstance(logger, MetricsCSV):
            logger.forget_from(from_step)
            logger.keep_file()
        loggers.append(cast(Logger, logger))
    return loggers


def write_again(loggers: list[Logger]) -> None:
    """Let the files of loggers that forgot what another start logged be written."""
    for logger in loggers:
        if isinstance(logger, MetricsCSV):
            logger.write_again()


def make_callbacks(sections: Mapping[str, Target], run_directory: Path, *, validates: bool) -> list[Callback]:
    """The callbacks that the configuration names; nothing can stop early where nothing is validated."""
    made = [cast(Callback, instantiate(section, run_directory=run_directory)) for section in sections.values()]
    return [callback for callback in made if validates or not isinstance(callback, EarlyStopping)]


def check_batches(trainer: Trainer, data: AnyDataModule) -> None:
    """Raise ConfigError where a loop has no batch of data that were counted only now; Lightning counts by process."""
    loaders = {"train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader()}
    batches = {split: len(loader) for split, loader in loaders.items()}
    if trainer.devices == 1 and (faults := [*check_loops(trainer, batches)]):
        raise ConfigError(*faults)


def make_trainer(
    config: Experiment, run_directory: Path, loggers: list[Logger], callbacks: list[Callback], files: CheckpointFiles
) -> L.Trainer:
    """Lightning's Trainer; raises ConfigError where this machine can't do what it was asked."""
    arguments = {"num_sanity_val_steps": 0, "enable_model_summary": False} | config.trainer.lightning_arguments()
    # deterministic=true would also fill every new tensor in every step, to show up code that reads what it never wrote
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set by its module class
    try:
        return L.Trainer(
            **arguments,  # type: ignore[arg-type]  # checked by name and, where the schema knows them, by type
            default_root_dir=run_directory,
            logger=loggers,
            callbacks=callbacks,
            plugins=[files],
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(Fault("trainer", str(error))) from error
