"""The length of a training, where the configuration determines it; schedules, loops and searches that don't fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import ceil
from typing import TypeGuard

from digits.config.data import TEST_IMAGES, TRAINING_IMAGES, Data
from digits.config.faults import Fault
from digits.config.schema import Experiment, Trainer
from digits.config.types import Target, Tree, Value

SHORTEN = {"max_time", "limit_train_batches", "overfit_batches", "fast_dev_run", "num_nodes"}
"""Arguments of Lightning's Trainer with which a training's length is not known beforehand."""

TIME = r"\d+:\d\d:\d\d:\d\d"  # days, hours, minutes, seconds

SWITCH_OFF = {
    "limit_train_batches": "trains on nothing; for a short training take data.limit=N or trainer.max_epochs=1",
    "limit_val_batches": "leaves nothing to choose the best epoch by; to train without validation take data.val_size=0",
    "limit_test_batches": "tests on nothing; to leave the test out take test=false",
    "val_check_interval": "never validates; to train without validation take data.val_size=0",
    "max_steps": "trains on nothing; for a short training take data.limit=N or trainer.max_epochs=1",
}
"""Arguments of Lightning's Trainer that at 0 switch off a loop that a run needs, each with the key to use instead."""


def check_lengths(experiment: Experiment) -> list[Fault]:
    """Schedules that end before the training does, and loops without a batch, where the lengths are known."""
    if experiment.resume is not None or experiment.config_from is not None:  # a record keeps its values
        return []
    batches = known_batches(experiment)
    return [*_check_schedule(experiment, batches.get("train")), *check_loops(experiment.trainer, batches)]


def known_batches(experiment: Experiment) -> dict[str, int]:
    """Batches of an epoch by split, for a data set of known size on one device; empty for any other."""
    data = experiment.data
    size, val_size = TRAINING_IMAGES.get(str(data.get("name"))), data.get("val_size")
    if type(data) is not Data or size is None or not isinstance(val_size, int) or experiment.trainer.devices != 1:
        return {}
    images = min(size - val_size, data.limit or size)
    images -= images > 1 and images % data.batch_size == 1  # a single image left over joins the last batch
    tested = TEST_IMAGES[data.name]
    return {
        "train": ceil(images / data.batch_size),
        "val": ceil(min(val_size, data.limit or val_size) / data.eval_batch_size),
        "test": ceil(min(tested, data.limit or tested) / data.eval_batch_size),
    }


def check_ranges(trainer: Tree) -> Iterator[Fault]:
    """Values of Lightning's arguments on which it fails only when the training starts."""
    for key in (
        *(f"limit_{split}_batches" for split in ("train", "val", "test")),
        "overfit_batches",
        "val_check_interval",
    ):
        value = trainer.get(key)
        if value is not None and not (_is_number(value) and (0 <= value <= 1 or (_is_count(value) and value > 0))):
            yield Fault(f"trainer.{key}", f"is {value!r}; give a number of batches, or a share of them from 0.0 to 1.0")
    steps, time = trainer.get("max_steps"), trainer.get("max_time")
    if steps is not None and not (_is_count(steps) and steps >= -1):
        yield Fault("trainer.max_steps", f"is {steps!r}; give a number of steps, or -1 for any")
    if time is not None and not (isinstance(time, dict) or (isinstance(time, str) and re.fullmatch(TIME, time))):
        yield Fault("trainer.max_time", f"is {time!r}; give DD:HH:MM:SS, or {{hours: 1, minutes: 30}}")


def check_loops(trainer: Trainer, batches: Mapping[str, int]) -> Iterator[Fault]:
    """Arguments of Lightning's Trainer that leave a split without a batch, or the training without a validation."""
    asked = trainer.model_extra or {}
    limits = {split: asked.get(f"limit_{split}_batches") for split in batches}
    shares = [(f"limit_{split}_batches", split) for split in batches]
    for key, split in [*shares, *([("overfit_batches", "train")] if "train" in batches else [])]:
        share, whole = asked.get(key), batches[split]
        if isinstance(share, float) and whole and 0 < share * whole < 1:
            why = f"is {share} of {_counted(whole)}, which is less than one; give {1 / whole:.2g} or more"
            yield Fault(f"trainer.{key}", why)
    every, train, limit = asked.get("val_check_interval"), batches.get("train"), limits.get("train")
    if train is not None and isinstance(limit, int | float):
        train = min(train, limit) if _is_count(limit) else int(train * limit)
    if _is_count(every) and train and every > train:
        why = f"but an epoch has {_counted(int(train))}; give as many or fewer, or a share of it such as 0.5"
        yield Fault("trainer.val_check_interval", f"is {every}, {why}")


def _check_schedule(experiment: Experiment, batches: int | None) -> Iterator[Fault]:
    """A schedule that ends before the training does: some then raise, some start over."""
    scheduler, trainer = experiment.scheduler, experiment.trainer
    interval, length = scheduler.get("interval"), trainer.max_epochs
    asked = trainer.model_extra or {}
    if SHORTEN & set(asked) or (interval == "step" and batches is None):
        return
    if interval == "step" and batches is not None:
        length *= ceil(batches / trainer.accumulate_grad_batches)
    if _is_count(most := asked.get("max_steps")) and most > 0:
        if interval != "step":
            return
        length = min(length, most)
    yield from short_schedule(scheduler, length)


def short_schedule(scheduler: Target, length: int) -> Iterator[Fault]:
    """A schedule that ends before so many of its steps or epochs."""
    interval = scheduler.get("interval") or "epoch"
    why = f"but the training has {length:,} {interval}s; give as many, or null for all of it"
    for key in ("total_steps", "T_max"):
        value = scheduler.get(key)
        if _is_count(value) and value < length:
            yield Fault(f"scheduler.{key}", f"is {value}, {why}")


def _is_count(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counted(batches: int) -> str:
    return f"{batches} batch{'es' * (batches > 1)}"


def check_plateau(experiment: Experiment) -> list[Fault]:
    """A plateau schedule that monitors a validation metric without validation images."""
    monitor = experiment.scheduler.get("monitor")
    if experiment.data.get("val_size") != 0 or not isinstance(monitor, str) or not monitor.startswith("val/"):
        return []
    why = "but data.val_size=0 validates nothing; take train/loss, or another schedule"
    return [Fault("scheduler.monitor", f"is {monitor}, {why}")]


def check_find_lr(experiment: Experiment) -> list[Fault]:
    """A search for a learning rate that replaces none, or one that the schedule doesn't follow."""
    if not (find := experiment.trainer.find_lr):
        return []
    lr, peak = experiment.optimizer.get("lr"), experiment.scheduler.get("max_lr")
    if isinstance(lr, int | float):
        if find != "use" or peak in (None, lr):
            return []
        why = f"is {peak}, so trainer.find_lr=use, which replaces optimizer.lr={lr}, would change nothing"
        return [Fault("scheduler.max_lr", f"{why}; leave it out, or take trainer.find_lr=true")]
    return [Fault("trainer.find_lr", f"replaces optimizer.lr, which is {lr}; add a number with +optimizer.lr")]
