"""The objects that train, made from sections of the configuration, for `experiment.py`."""

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
from typing_extensions import override

from digits.config.arguments import LIGHTNINGS
from digits.config.faults import ConfigError, Fault
from digits.config.instantiate import bind, instantiate, resolve
from digits.config.lengths import check_loops, short_schedule
from digits.config.schema import Experiment, Trainer
from digits.config.types import Target
from digits.data.base import AnyDataModule
from digits.training.checkpoints import CheckpointFiles
from digits.training.distillation import Teacher
from digits.training.metrics_csv import MetricsCSV
from digits.training.task_module import AnyTask, MakeOptimizer, MakeScheduler, Schedule, TaskModule


def make_module(
    config: Experiment, net: nn.Module, num_classes: int, teacher: Teacher | None = None, background: float = 0
) -> AnyTask:
    """The task's LightningModule around a net, with loss, optimizer, schedule and the options that the task accepts.

    `background` is the normalised value of a black pixel. Raises ConfigError for an option that the task does not
    accept.
    """

    bind(config.optimizer, net.parameters())  # reports their faults now, not when fitting starts
    bind(config.scheduler.without(LIGHTNINGS), None)
    loss = cast(nn.Module, instantiate(config.loss))
    trainer = config.trainer
    make_optimizer, make_scheduler = makers(config)
    named = {"net": net, "loss": loss, "make_optimizer": make_optimizer, "make_scheduler": make_scheduler,
             "num_classes": num_classes, "channels_last": trainer.channels_last, "ema_decay": trainer.ema_decay,
             "teacher": teacher, "test_views": config.test_views, "background": background}  # fmt: skip
    found = resolve(config.task.target)
    if not (isinstance(found, type) and issubclass(found, TaskModule)):
        raise ConfigError(Fault("task._target_", f"{config.task.target} is not a {TaskModule.__name__}"))
    taken = bind(config.task, **named)
    asked = (
        ("teachers", "teacher", teacher is not None),
        ("test_views", "test_views", config.test_views > 1),
        ("trainer.ema_decay", "ema_decay", trainer.ema_decay is not None),
    )
    if idle := [key for key, name, is_asked in asked if is_asked and name not in taken]:
        raise ConfigError(*[Fault(key, f"{config.task.target} does not accept it; leave it out") for key in idle])
    return cast(AnyTask, instantiate(config.task, **named))


def makers(config: Experiment) -> tuple[MakeOptimizer, MakeScheduler]:
    """Functions that make the configuration's optimizer, and its schedule once the training's length is known.

    The latter raises ConfigError for a schedule that ends before the training does.
    """

    def make_optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        return cast(Optimizer, instantiate(config.optimizer, parameters))

    def make_scheduler(optimizer: Optimizer, steps: int, epochs: int) -> Schedule:
        interval, monitor = str(config.scheduler.get("interval") or "epoch"), config.scheduler.get("monitor")
        length = steps if interval == "step" else epochs
        recorded = config.resume is not None or config.config_from is not None  # a record keeps what it has
        if not recorded and (short := [*short_schedule(config.scheduler, length)]):
            raise ConfigError(*short)
        section = with_lengths(config.scheduler, length).without(LIGHTNINGS)
        return Schedule(cast(LRScheduler, instantiate(section, optimizer)), interval, cast(str | None, monitor))

    return make_optimizer, make_scheduler


def with_lengths(schedule: Target, steps: int) -> Target:
    """A schedule with its null lengths filled in: `steps` of the training, or its epochs."""
    whole = dict.fromkeys(("total_steps", "T_max", "total_iters"), steps)
    if schedule.target.endswith(".ConstantLR"):
        whole["total_iters"] = sys.maxsize  # constant to the end
    open_ended = [key for key, value in schedule.tree().items() if key in whole and value is None]
    schedule = schedule.changed({key: whole[key] for key in open_ended})
    total, up = schedule.get("total_steps"), schedule.get("pct_start")
    if not schedule.target.endswith(".OneCycleLR") or not isinstance(total, int):
        return schedule
    if total == 1:  # torch would treat the only step as the last one, with a rate near zero
        return schedule.changed({"div_factor": 1.0, "final_div_factor": 1.0})
    if isinstance(up, float) and up * total == 1.0:  # torch would divide by up * total - 1
        return schedule.changed({"pct_start": (1 + 1e-9) / total})
    return schedule


class EventFiles(TensorBoardLogger):
    """Lightning's logger, but without expanding `$HOME` in a folder's name, which would write to another folder."""

    @property
    @override
    def log_dir(self) -> str:
        version = self.version if isinstance(self.version, str) else f"version_{self.version}"
        return str(Path(self.root_dir, version, self.sub_dir or ""))


def make_loggers(sections: Mapping[str, Target], run_directory: Path, from_step: int | None) -> list[Logger]:
    """The loggers, writing into the run's directory; with `from_step` they drop what was logged from that step on."""
    loggers: list[Logger] = []
    for section in sections.values():
        if section.target.endswith(f".{TensorBoardLogger.__name__}"):
            # Always given: TensorBoard does not treat the first SessionLog start in a log as a restart
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
    """Let loggers that dropped an earlier start's steps write their files again."""
    for logger in loggers:
        if isinstance(logger, MetricsCSV):
            logger.write_again()


def make_callbacks(sections: Mapping[str, Target], run_directory: Path, *, validates: bool) -> list[Callback]:
    """The configuration's callbacks; without validation, no early stopping."""
    made = [cast(Callback, instantiate(section, run_directory=run_directory)) for section in sections.values()]
    return [callback for callback in made if validates or not isinstance(callback, EarlyStopping)]


def check_batches(trainer: Trainer, data: AnyDataModule) -> None:
    """Raise ConfigError for a loop without a batch, for data whose size is known only now.

    Not with several processes, whose batches Lightning counts itself.
    """
    loaders = {"train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader()}
    batches = {split: len(loader) for split, loader in loaders.items()}
    if trainer.devices == 1 and (faults := [*check_loops(trainer, batches)]):
        raise ConfigError(*faults)


def make_trainer(
    config: Experiment, run_directory: Path, loggers: list[Logger], callbacks: list[Callback], files: CheckpointFiles
) -> L.Trainer:
    """Lightning's Trainer; raises ConfigError for settings that this machine can't provide."""
    arguments = {"num_sanity_val_steps": 0, "enable_model_summary": False} | config.trainer.lightning_arguments()
    # deterministic=true would also fill every new tensor in every step, to expose reads of uninitialised memory
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
