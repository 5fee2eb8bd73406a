"""All faults of a configuration at once, each with its key, its value and the allowed values. No torch."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from digits.config.absent import senseless_modes, watching
from digits.config.data import CLASSES, IMAGE_SIZE, TRAINING_IMAGES, DataSet
from digits.config.faults import ConfigError, Fault, TargetError, explain
from digits.config.lengths import SWITCH_OFF, check_find_lr, check_lengths, check_plateau, check_ranges
from digits.config.optim import ReduceLROnPlateau
from digits.config.schema import DESCRIBED, EarlyStopping, Experiment, data_set, described
from digits.config.task import Task, task_of
from digits.config.trust import is_trusted, packages_of
from digits.config.types import TARGET, Target, Tree, Value, targets_in

OURS_TO_SET = {
    *("logger", "callbacks", "default_root_dir", "plugins", "enable_checkpointing", "barebones"),
    *("enable_progress_bar", "check_val_every_n_epoch"),
}
"""Arguments of Lightning's Trainer that the run directory depends on."""

GIVEN_LATER = {
    "data": {"seed", "augment"},
    "task": {
        *("net", "loss", "make_optimizer", "make_scheduler", "channels_last", "ema_decay"),
        *("num_classes", "teacher", "test_views", "background"),
    },
    "optimizer": {"params"},
    "scheduler": {"optimizer"},
    "logger": {"save_dir", "run_directory"},
    "callbacks": {"run_directory"},
}
"""Arguments that `training/build.py` and `experiment.py` fill in, by group."""

DEEPEST = 16  # levels of nesting that a configuration may have; those that ship have four

PRETRAINED = "pretrained"  # the value of `init_from` for the net that ships

WEIGHTED = ("torch.nn.CrossEntropyLoss", "torch.nn.NLLLoss")  # losses whose `weight` has a number for each class

MADE_OF_OTHERS = (".SequentialLR", ".ChainedScheduler")  # each of their parts needs the optimizer, which no YAML has

SECTIONS = r"data|model|task|loss|optimizer|scheduler|(augment|callbacks|logger)\.[^.]+"  # keys with a target

UNREAD = {"_partial_", "_convert_", "_recursive_"}
"""Hydra's keys that would change how a section is built; `instantiate` decides that."""


def check(config: Tree) -> Experiment:
    """The configuration as typed objects; raises ConfigError with every fault."""
    faults = list(_check_shape(config))
    if faults:  # the other checks need a tree of plain data
        raise ConfigError(*faults)
    for key, section in targets_in(config):
        if not key.startswith("scheduler.schedulers["):  # refused with the schedule that holds them
            faults += _check_target(key, section)
    experiment: Experiment | None = None
    try:
        experiment = Experiment.model_validate(config)
    except ValidationError as error:
        faults += _untold(faults, explain(Experiment, error, config))
    faults += _check_trainer(config.get("trainer"))
    faults += [Fault(key, problem) for key, problem in senseless_modes(config)]
    faults += _untold(faults, _check_task(config))
    if experiment and not faults:
        faults += [
            *_check_data(experiment.data, experiment.model),
            *_check_weights(experiment),
            *check_plateau(experiment),
            *check_find_lr(experiment),
            *check_lengths(experiment),
            *_check_device(experiment),
            *_check_paths(experiment),
            *_check_extras(experiment),
        ]
    if faults or experiment is None:
        raise ConfigError(*dict.fromkeys(faults))
    return experiment


def _untold(known: list[Fault], faults: list[Fault]) -> list[Fault]:
    """The faults whose key has none yet."""
    keys = {fault.key for fault in known}
    return [fault for fault in faults if fault.key not in keys]


def _check_shape(tree: Value, path: str = "", depth: int = 0) -> Iterator[Fault]:
    """Keys that are not strings, which JSON can't record, and nesting deeper than recursion can follow."""
    if depth > DEEPEST:
        yield Fault(path, f"is nested more than {DEEPEST} deep")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            here = f"{path}.{key}" if path else f"{key}"
            if not isinstance(key, str):
                yield Fault(here, "keys must be strings; quote it")
            yield from _check_shape(value, here, depth + 1)
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _check_shape(value, f"{path}[{i}]", depth + 1)


def _check_target(key: str, section: Tree) -> list[Fault]:
    target = section["_target_"]
    if not isinstance(target, str) or not re.fullmatch(TARGET, target):
        return [Fault(f"{key}._target_", f"is {target!r}; it should be a dotted path such as torch.optim.Adam")]
    if target.endswith(MADE_OF_OTHERS):
        why = "is made of other schedules, which are not built here; write a function that makes it from the optimizer"
        return [Fault(f"{key}._target_", f"{target} {why}, and a YAML that names it (docs/make_it_yours.md)")]
    faults = [Fault(f"{key}.{k}", "is Hydra's own and not read here") for k in sorted(set(section) & UNREAD)]
    if re.fullmatch(SECTIONS, key):  # checked as a whole, by the Experiment
        later = GIVEN_LATER.get(key.split(".")[0], set())
        return faults + [Fault(f"{key}.{k}", "is set by digits") for k in sorted(set(section) & later)]
    schema = described(target)
    try:
        schema.model_validate(section)
    except ValidationError as error:
        faults += _untold(faults, explain(schema, error, prefix=key))
    return faults


def _check_task(config: Tree) -> list[Fault]:
    """A module without a task, and monitors of metrics that the task doesn't have."""
    section = config.get("task")
    target = section.get("_target_") if isinstance(section, dict) else None
    if not isinstance(target, str) or not re.fullmatch(TARGET, target):
        return []  # reported already
    if (config.get("resume") or config.get("config_from")) and not is_trusted(target, packages_of(config)):
        return []  # refused where records are read; not imported here
    try:
        task = task_of(target)
    except TargetError as error:
        return [Fault("task._target_", str(error))]
    if faults := list(_check_parts(config, task)):
        return faults
    *others, last = map(repr, task.monitors)
    known = f"input should be {', '.join(others)} or {last} (the metric to monitor)"
    return [
        Fault(f"{key}.monitor", f"is {monitor!r}; {known}")
        for key, section in watching(config)
        if described(section.get("_target_")) in (EarlyStopping, ReduceLROnPlateau)
        and isinstance(monitor := section["monitor"], str) and monitor not in task.monitors
    ]  # fmt: skip


def _check_parts(config: Tree, task: Task) -> Iterator[Fault]:
    """Data, a model or a loss of this package that is made for another task."""
    needs_own = any(described(target).made_for == task.name for target in DESCRIBED)
    unfit = []
    for key in ("data", "model", "loss"):
        section = config.get(key)
        target = section.get("_target_") if isinstance(section, dict) else None
        if not isinstance(target, str) or target not in DESCRIBED:
            continue
        made_for = described(target).made_for
        if made_for is None and needs_own:
            unfit.append(f"{key} ({target})")
        elif made_for not in (None, task.name):
            yield Fault(key, f"is {target}, made for task={made_for}, but the task is {task.name}")
    if unfit:
        why = f"is {task.name}, for which {', '.join(unfit)} {'is' if len(unfit) == 1 else 'are'} not made"
        yield Fault("task", f"{why}; conf/task/{task.name}.yaml names those that are")
    data = config.get("data")
    kind = data_set(data) if isinstance(data, dict) else DataSet
    if config.get("augment") and not kind.augmented and kind.made_for in (None, task.name):
        yield Fault("augment", "these data take no transforms; take augment=none")


def _check_trainer(trainer: object) -> list[Fault]:
    if not isinstance(trainer, dict):
        return []
    why = "is set by digits, so that the run directory is complete"
    faults = [Fault(f"trainer.{key}", why) for key in trainer if key in OURS_TO_SET]
    faults += [
        Fault(f"trainer.{key}", f"is {trainer[key]}, which {why}")
        for key, why in SWITCH_OFF.items()
        if isinstance(trainer.get(key), int | float) and trainer[key] == 0
    ]
    timed = isinstance(trainer.get("val_check_interval"), str | dict)
    faults += _untold(faults, list(check_ranges(trainer | ({"val_check_interval": None} if timed else {}))))
    if timed:
        why = "is a time, which is not reproducible; give a number of batches or a share of an epoch"
        faults.append(Fault("trainer.val_check_interval", why))
    return faults


def _check_data(data: Target, model: Target) -> list[Fault]:
    """An impossible split or size, reported before the data is read."""
    made_of = data.made_of if isinstance(data, DataSet) else None
    name = made_of or str(data.get("name"))
    size, val_size = TRAINING_IMAGES.get(name), data.get("val_size")
    if not isinstance(data, DataSet) and (size is None or not isinstance(val_size, int)):
        return []
    faults = [
        Fault(f"model.{key}", f"is {model.get(key)}, but data.{key} is {data.get(key)}")
        for key in ("num_classes", "image_size")
        if None not in (model.get(key), data.get(key)) and model.get(key) != data.get(key)
    ]
    if size is None or not isinstance(val_size, int):  # the user's own data, or counted already
        return faults
    faults = [
        Fault(f"data.{key}", f"is {data.get(key)}, but {name} has {known}")
        for key, known in {"num_classes": CLASSES, "image_size": IMAGE_SIZE}.items()
        if made_of is None and data.get(key) not in (None, known)
    ] + faults
    if val_size > size - CLASSES:
        why = f"is {val_size}, but {name} has {size} training images; leave some to train on"
        faults.append(Fault("data.val_size", why))
    if 0 < val_size < CLASSES:
        why = f"is {val_size}; a stratified split needs one image of each of the {CLASSES} classes, or 0 images"
        faults.append(Fault("data.val_size", why))
    return faults


def _check_weights(experiment: Experiment) -> list[Fault]:
    """Class weights of torch's losses: one for each class, none negative."""
    weights, classes = experiment.loss.get("weight"), experiment.data.get("num_classes")
    if experiment.loss.target not in WEIGHTED or not isinstance(weights, list) or not isinstance(classes, int):
        return []
    if len(weights) != classes:
        return [Fault("loss.weight", f"is {weights}, {len(weights)} numbers for {classes} classes")]
    if any(isinstance(weight, int | float) and weight < 0 for weight in weights):
        return [Fault("loss.weight", f"is {weights}; a class can't weigh less than 0")]
    return []


def _check_device(experiment: Experiment) -> list[Fault]:
    """A device that certainly doesn't exist; the final check is torch's, once it is imported."""
    trainer = experiment.trainer
    fix = "take trainer=cpu or trainer=auto"
    if trainer.strategy.endswith(("_fork", "_spawn", "_notebook")):
        return [Fault("trainer.strategy", f"is {trainer.strategy}, whose results stay in its processes; take ddp")]
    if trainer.accelerator == "cpu" and isinstance(trainer.devices, list):
        return [Fault("trainer.devices", f"is {trainer.devices}; on the CPU give a number of processes")]
    if trainer.accelerator in ("gpu", "cuda"):
        gpus = gpu_count()
        if platform.system() == "Darwin" and trainer.accelerator == "gpu":
            return []
        wanted = trainer.devices if isinstance(trainer.devices, int) else 1
        if isinstance(trainer.devices, list):
            wanted = max(trainer.devices, default=0) + 1
        if gpus is not None and gpus < wanted:
            found = "no GPU" if gpus == 0 else f"{gpus} GPU{'s' * (gpus > 1)}"
            return [Fault("trainer.accelerator", f"is {trainer.accelerator} with devices={trainer.devices}, "
                          f"but this machine has {found}; {fix}")]  # fmt: skip
    if trainer.accelerator == "mps" and platform.system() != "Darwin":
        return [Fault("trainer.accelerator", f"is mps, which only Apple's machines have; {fix}")]
    return []


def gpu_count() -> int | None:
    """The number of GPUs that the system shows without a driver library; None where it is not known."""
    if platform.system() != "Linux" or Path("/dev/dxg").exists() or Path("/dev/kfd").exists():
        return None  # GPUs in WSL, and AMD's, are not numbered files
    return len([p for p in Path("/dev").glob("nvidia*") if p.name.removeprefix("nvidia").isdigit()])


def _check_paths(experiment: Experiment) -> list[Fault]:
    faults = [
        Fault("teachers", f"{run} does not exist; name the directory of a run that is done")
        for run in experiment.teachers
        if not _exists(run)
    ]
    begins = experiment.init_from if experiment.resume is None else None  # a resumed run has its weights
    if begins not in (None, PRETRAINED) and not _exists(str(begins)):
        what = f"a run's directory, a weights file, or {PRETRAINED}"
        faults.append(Fault("init_from", f"{begins} does not exist; name {what}"))
    return faults


def _check_extras(experiment: Experiment) -> Iterator[Fault]:
    for name, logger in experiment.logger.items():
        if logger.lacks_extra:
            fix = f'pip install "digits[{logger.extra}]", in a checkout ".[{logger.extra}]"'
            yield Fault(f"logger.{name}", f"needs the package {logger.extra}, which is not installed: {fix}")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name too long for any file
        return False
