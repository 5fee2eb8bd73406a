"""How long a training is, as far as the configuration tells: schedules and loops that don't fit into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import TypeGuard

from digits.config.data import TEST_IMAGES, TRAINING_IMAGES, Data
from digits.config.faults import Fault
from digits.config.schema import Experiment, Trainer
from digits.config.types import Value

SHORTEN = {"max_steps", "max_time", "limit_train_batches", "overfit_batches", "fast_dev_run", "num_nodes"}
"""Arguments of Lightning's Trainer with which a training's length isn't known beforehand."""

SWITCH_OFF = {
    "limit_train_batches": "trains on nothing; for a short training take data.limit=N or trainer.max_epochs=1",
    "limit_val_batches": "leaves nothing to choose the best epoch by; to train without validation take data.val_size=0",
    "limit_test_batches": "tests on nothing; to leave the test out take test=false",
    "val_check_interval": "never validates; to train without validation take data.val_size=0",
    "max_steps": "trains on nothing; for a short training take data.limit=N or trainer.max_epochs=1",
}
"""Arguments of Lightning's Trainer that at 0 switch off a loop on which a run relies, and what does so properly."""


def check_lengths(experiment: Experiment) -> list[Fault]:
    """A schedule that ends before the training does, a loop that has no batch left; as far as that is known."""
    if experiment.resume is not None or experiment.config_from is not None:  # a record keeps what it has
        return []
    batches = known_batches(experiment)
    return [*_check_schedule(experiment, batches.get("train")), *check_loops(experiment.trainer, batches)]


def known_batches(experiment: Experiment) -> dict[str, int]:
    """Batches of an epoch by split, of a data set that ships and has a known size, on one device."""
    data = experiment.data
    size, val_size = TRAINING_IMAGES.get(str(data.get("name"))), data.get("val_size")
    if type(data) is not Data or size is None or not isinstance(val_size, int) or experiment.trainer.devices != 1:
        return {}
    images = min(size - val_size, data.limit or size)
    images -= images > 1 and images % data.batch_size == 1  # a lone one joins the last batch
    tested = TEST_IMAGES[data.name]
    return {
        "train": ceil(images / data.batch_size),
        "val": ceil(min(val_size, data.limit or val_size) / data.eval_batch_size),
        "test": ceil(min(tested, data.limit or tested) / data.eval_batch_size),
    }


def check_loops(trainer: Trainer, batches: Mapping[str, int]) -> Iterator[Fault]:
    """Arguments of Lightning's Trainer by which a split of so many batches would have none, or not be validated."""
    asked = trainer.model_extra or {}
    limits = {split: asked.get(f"limit_{split}_batches") for split in batches}
    for split, share in limits.items():
        whole = batches[split]
        if isinstance(share, float) and whole and 0 < share * whole < 1:
            why = f"is {share} of {_counted(whole)}, which is less than one; give {1 / whole:.2g} or more"
            yield Fault(f"trainer.limit_{split}_batches", why)
    every, train, limit = asked.get("val_check_interval"), batches.get("train"), limits.get("train")
    if train is not None and isinstance(limit, int | float):
        train = min(train, limit) if _is_count(limit) else int(train * limit)
    if _is_count(every) and train and every > train:
        why = f"but an epoch has {_counted(int(train))}; give as many or fewer, or a share of it such as 0.5"
        yield Fault("trainer.val_check_interval", f"is {every}, {why}")


def _check_schedule(experiment: Experiment, batches: int | None) -> Iterator[Fault]:
    """A schedule that ends before the training does: some raise then, some start again."""
    scheduler, trainer = experiment.scheduler, experiment.trainer
    interval, length = scheduler.get("interval"), trainer.max_epochs
    if SHORTEN & set(trainer.model_extra or ()) or (interval == "step" and batches is None):
        return
    if interval == "step" and batches is not None:
        length *= ceil(batches / trainer.accumulate_grad_batches)
    why = f"but the training has {length:,} {interval}s; give as many, or null for all of it"
    for key in ("total_steps", "T_max"):
        value = scheduler.get(key)
        if _is_count(value) and value < length:
            yield Fault(f"scheduler.{key}", f"is {value}, {why}")


def _is_count(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _counted(batches: int) -> str:
    return f"{batches} batch{'es' * (batches > 1)}"
