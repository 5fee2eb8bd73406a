"""All faults of a configuration at once, each with its key, its value and what would be allowed. No torch."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from digits.config.absent import senseless_modes, watching
from digits.config.data import CLASSES, IMAGE_SIZE, TRAINING_IMAGES, DataSet
from digits.config.faults import ConfigError, Fault, TargetError, explain
from digits.config.lengths import SWITCH_OFF, check_lengths
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

DEEPEST = 16
"""Levels of nesting that a configuration may have; those that ship have four."""

PRETRAINED = "pretrained"
"""What `init_from` calls the net that ships."""

MADE_OF_OTHERS = (".SequentialLR", ".ChainedScheduler")
"""Schedules whose parts each need the optimizer, which no YAML has."""

SECTIONS = r"data|model|task|loss|optimizer|scheduler|(augment|callbacks|logger)\.[^.]+"
"""Keys of the sections that have a target."""

UNREAD = {"_partial_", "_convert_", "_recursive_"}
"""Keys of Hydra's that would change how a section is built; `instantiate` decides that."""


def check(config: Tree) -> Experiment:
    """The configuration as typed objects; raises ConfigError with every fault there is."""
    faults = list(_check_shape(config))
    if faults:  # what is not even a tree of plain data can't be looked at further
        raise ConfigError(*faults)
    for key, section in targets_in(config):
        if not key.startswith("scheduler.schedulers["):  # refused with what holds them
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
            *_check_plateau(experiment),
            *check_lengths(experiment),
            *_check_device(experiment),
            *_check_paths(experiment),
        ]
    if faults or experiment is None:
        raise ConfigError(*dict.fromkeys(faults))
    return experiment


def _untold(told: list[Fault], faults: list[Fault]) -> list[Fault]:
    """Faults of keys of which nothing is told yet."""
    keys = {fault.key for fault in told}
    return [fault for fault in faults if fault.key not in keys]


def _check_shape(tree: Value, path: str = "", depth: int = 0) -> Iterator[Fault]:
    """Keys that are no text, which JSON can't record, and nesting deeper than recursion can follow."""
    if depth > DEEPEST:
        yield Fault(path, f"is nested more than {DEEPEST} deep")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            here = f"{path}.{key}" if path else f"{key}"
            if not isinstance(key, str):
                yield Fault(here, "is a key that is no text; put it in quotes")
            yield from _check_shape(value, here, depth + 1)
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _check_shape(value, f"{path}[{i}]", depth + 1)


def _check_target(key: str, section: Tree) -> list[Fault]:
    target = section["_target_"]
    if not isinstance(target, str) or not re.fullmatch(TARGET, target):
        return [Fault(f"{key}._target_", f"is {target!r}; it should be a dotted path such as torch.optim.Adam")]
    if target.endswith(MADE_OF_OTHERS):
        why = (
            "is made of other schedules, which are not built here; name a function of your own that takes the optimizer"
        )
        return [Fault(f"{key}._target_", f"{target} {why} and returns it: scheduler._target_=mynets.warmup")]
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
    """A module that trains no task; what watches a metric that the task doesn't have."""
    section = config.get("task")
    target = section.get("_target_") if isinstance(section, dict) else None
    if not isinstance(target, str) or not re.fullmatch(TARGET, target):
        return []  # told already
    if (config.get("resume") or config.get("config_from")) and not is_trusted(target, packages_of(config)):
        return []  # refused where records are read; not imported to look at it
    try:
        task = task_of(target)
    except TargetError as error:
        return [Fault("task._target_", str(error))]
    if faults := list(_check_parts(config, task)):
        return faults
    *others, last = map(repr, task.monitors)
    known = f"input should be {', '.join(others)} or {last} (what is watched)"
    return [
        Fault(f"{key}.monitor", f"is {monitor!r}; {known}")
        for key, section in watching(config)
        if described(section.get("_target_")) in (EarlyStopping, ReduceLROnPlateau)
        and isinstance(monitor := section["monitor"], str) and monitor not in task.monitors
    ]  # fmt: skip


def _check_parts(config: Tree, task: Task) -> Iterator[Fault]:
    """Data, a model or a loss that ships and is made for another task."""
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
        yield Fault("task", f"{why}; conf/task/{task.name}.yaml says what is")
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
    if isinstance(trainer.get("val_check_interval"), str | dict):
        why = "is a time, so the same command would not give the same; take a number of batches or a share of an epoch"
        faults.append(Fault("trainer.val_check_interval", why))
    return faults


def _check_data(data: Target, model: Target) -> list[Fault]:
    """An impossible split or size, told before the data is touched."""
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
    if size is None or not isinstance(val_size, int):  # of one's own, or counted already
        return faults
    faults = [
        Fault(f"data.{key}", f"is {data.get(key)}, but {name} has {known}")
        for key, known in {"num_classes": CLASSES, "image_size": IMAGE_SIZE}.items()
        if made_of is None and data.get(key) not in (None, known)
    ] + faults
    if val_size > size - CLASSES:
        faults.append(Fault("data.val_size", f"is {val_size}, but {name} has {size} training images; leave some"))
    if 0 < val_size < CLASSES:
        why = f"is {val_size}; a stratified split needs one of each of {CLASSES} classes, or 0"
        faults.append(Fault("data.val_size", why))
    return faults


def _check_weights(experiment: Experiment) -> list[Fault]:
    """Another number of class weights than of classes."""
    weights, classes = experiment.loss.get("weight"), experiment.data.get("num_classes")
    if not isinstance(weights, list) or not isinstance(classes, int) or len(weights) == classes:
        return []
    return [Fault("loss.weight", f"is {weights}, {len(weights)} numbers for {classes} classes")]


def _check_plateau(experiment: Experiment) -> list[Fault]:
    """A schedule that waits for a plateau of what is never validated."""
    monitor = experiment.scheduler.get("monitor")
    if experiment.data.get("val_size") != 0 or not isinstance(monitor, str) or not monitor.startswith("val/"):
        return []
    why = "but data.val_size=0 validates nothing; take train/loss, or another schedule"
    return [Fault("scheduler.monitor", f"is {monitor}, {why}")]


def _check_device(experiment: Experiment) -> list[Fault]:
    """A device that surely isn't there; torch, once imported, has the last word."""
    trainer = experiment.trainer
    fix = "take trainer=cpu or trainer=auto"
    if trainer.strategy.endswith(("_fork", "_spawn", "_notebook")):
        return [Fault("trainer.strategy", f"is {trainer.strategy}, whose results stay in its processes; take ddp")]
    if trainer.accelerator == "cpu" and isinstance(trainer.devices, list):
        return [Fault("trainer.devices", f"is {trainer.devices}; on the CPU it is a number of processes")]
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
    """How many GPUs the system shows without any driver library; None where one can't tell."""
    if platform.system() != "Linux" or Path("/dev/dxg").exists() or Path("/dev/kfd").exists():
        return None  # Windows's GPUs in WSL and AMD's are not numbered files
    return len([p for p in Path("/dev").glob("nvidia*") if p.name.removeprefix("nvidia").isdigit()])


def _check_paths(experiment: Experiment) -> list[Fault]:
    faults = [
        Fault("teachers", f"{run} does not exist; name the directory of a run that is done")
        for run in experiment.teachers
        if not _exists(run)
    ]
    begins = experiment.init_from if experiment.resume is None else None  # what a run began with it needs no more
    if begins not in (None, PRETRAINED) and not _exists(str(begins)):
        what = f"a run's directory, a weights file, or {PRETRAINED}"
        faults.append(Fault("init_from", f"{begins} does not exist; name {what}"))
    return faults


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name too long for any file
        return False
