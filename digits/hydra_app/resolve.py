"""From a composed configuration to the Experiment that a run will train, or one sentence for each fault.

Everything here happens before a directory is made, and once in the process that trains; checks with torch come last.
"""

from __future__ import annotations

import os
import time
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from digits.config.arguments import check_arguments
from digits.config.check import PRETRAINED, check
from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.data.class_folders import counted
from digits.hydra_app.compose import plain, usual_model
from digits.hydra_app.job import asked_in, leaves_folder
from digits.hydra_app.momentum import void_momentum
from digits.hydra_app.paths import PATHS
from digits.processes.claim import claim
from digits.processes.slurm import requeued
from digits.runs.init_from import begin, check_same, knows_none
from digits.runs.layout import BEST, RESULT, SIGN_OF_LIFE
from digits.runs.read import find_run, first_process, read_result, status_of
from digits.runs.resume import FOUND, changed_keys, keys, once_more, resumable, resumed, still_running, taken_up
from digits.runs.schema import RunRecord
from digits.runs.teachers import find_teachers, trained_anew

VOID_MOMENTUM = (
    "has no effect with scheduler.cycle_momentum=true; leave one of them out, or give its bounds with "
    "+scheduler.base_momentum and +scheduler.max_momentum"
)
FOLLOWS_LR = "is computed from optimizer.lr, which trainer.find_lr=use replaces afterwards; give it a value of its own"


@dataclass(frozen=True)
class Start:
    """The decision about a start: what to run, or that the run is done."""

    experiment: Experiment | None  # to be run; None: the run is done
    remark: str = ""  # to be printed
    value: float | None = None  # of a run that is done: its task's monitored metric


def experiment_of(config: DictConfig, overrides: list[str]) -> Experiment:
    """The Experiment of a run: as asked for, or as recorded by the run that it resumes or repeats.

    Raises ConfigError with every fault.
    """
    experiment = checked_by_schema(config, overrides)
    check_arguments(experiment)
    return experiment


def checked_by_schema(config: DictConfig, overrides: list[str]) -> Experiment:
    """The Experiment of a run, without the checks of arguments that no schema describes, which come last.

    Raises ConfigError with every fault.
    """
    with chdir(asked_in()):  # a sweep's job with hydra.job.chdir has changed its folder already
        return _checked_by_schema(config, overrides)


def _checked_by_schema(config: DictConfig, overrides: list[str]) -> Experiment:
    tree = plain(config)
    if tree.get("resume") is not None and tree.get("config_from") is not None:
        raise ConfigError(Fault("config_from", "starts a new run, resume continues an old one; give one of the two"))
    if tree.get("resume") is not None:
        tree = resumed(tree, overrides)
    elif tree.get("config_from") is not None:
        tree = once_more(tree, overrides)
    faults: list[Fault] = []
    if tree.get("resume") is None and tree.get("config_from") is None:
        if key := void_momentum(config):
            faults.append(Fault(key, VOID_MOMENTUM))
        faults += [Fault(key, FOLLOWS_LR) for key in _following_lr(config, tree)]
    tree, of_folder = _counted(config, tree)
    faults += of_folder
    if isinstance(tree.get("init_from"), str):
        try:
            tree = _begin(tree, overrides)
        except ConfigError as error:
            faults += error.faults
    if leaves_folder():
        tree = _with_absolute_places(tree)
    experiment: Experiment | None = None
    try:
        experiment = _checked(tree)
    except ConfigError as error:
        faults += error.faults
    if faults or experiment is None:
        raise _where_given(config, ConfigError(*dict.fromkeys(faults)))
    begins = experiment.init_from  # recorded as an absolute path, which is valid in any folder
    found = begins if begins in (None, PRETRAINED) else os.path.abspath(begins)  # noqa: PTH100 (links in it stay)
    teachers = [os.path.abspath(run) for run in experiment.teachers]  # noqa: PTH100 (links in it stay)
    return experiment.model_copy(update={"init_from": found, "teachers": teachers})


def _following_lr(config: DictConfig, tree: Tree) -> list[str]:
    """The keys that would have another value with the learning rate that a search finds, but for a schedule's peak."""
    trainer, optimizer = tree.get("trainer"), tree.get("optimizer")
    lr = optimizer.get("lr") if isinstance(optimizer, dict) else None
    if not isinstance(trainer, dict) or trainer.get("find_lr") != "use" or not isinstance(lr, int | float):
        return []
    other = config.copy()
    OmegaConf.update(other, "optimizer.lr", 2 * lr)
    return [key for key in changed_keys(tree, plain(other)) if key not in FOUND]


def _with_absolute_places(tree: Tree) -> Tree:
    """The configuration with absolute paths to its data."""
    data = tree.get("data")
    if not isinstance(data, dict):
        return tree
    places = {name: value for name, value in data.items() if f"data.{name}" in PATHS and isinstance(value, str)}
    return tree | {"data": data | {name: os.path.abspath(value) for name, value in places.items()}}  # noqa: PTH100 (links in it stay)


def _counted(config: DictConfig, tree: Tree) -> tuple[Tree, list[Fault]]:
    """The configuration with the values that are counted in the files of its data set, and the faults of these."""
    recorded = tree.get("resume") is not None or tree.get("config_from") is not None
    data = tree.get("data")
    if not isinstance(data, dict):
        return tree, []
    section, problems = counted(data, knows_none=not recorded and knows_none(tree))
    if section == data:
        pass
    elif recorded:
        tree = tree | {"data": section}
    else:  # values computed from it, such as model.num_classes, follow
        config = config.copy()
        OmegaConf.update(config, "data", section, merge=False, force_add=True)
        tree = plain(config)
    return tree, [Fault(f"data.{key}", problem) for key, problem in problems.items()]


def _begin(tree: Tree, overrides: list[str]) -> Tree:
    """The configuration with the model and the normalisation of its `init_from`."""
    if tree.get("resume") is not None:
        return tree
    if tree.get("config_from") is not None:
        check_same(tree)
        return tree
    return begin(tree, keys(overrides), usual_model())


def _checked(tree: Tree) -> Experiment:
    """The Experiment of a configuration; raises ConfigError, also for teachers that don't fit it."""
    experiment = check(tree)
    teachers = find_teachers(experiment)
    if experiment.resume is None or not resumable(run := Path(experiment.resume)):
        return experiment
    if anew := trained_anew(read_result(run).teachers, teachers):
        why = f"was retrained after {run} began to learn from it; start a new run with config_from={run}"
        raise ConfigError(*[Fault("teachers", f"{teacher} {why}") for teacher in anew])
    return experiment


def _where_given(config: DictConfig, error: ConfigError) -> ConfigError:
    """The error without the faults of interpolated values, as scheduler.max_lr is from optimizer.lr."""
    own = [fault for fault in error.faults if not _is_interpolation(config, fault.key)]
    return ConfigError(*own) if own else error


def _is_interpolation(config: DictConfig, key: str) -> bool:
    section, _, leaf = key.rpartition(".")
    parent = OmegaConf.select(config, section) if section else config
    return isinstance(parent, DictConfig) and leaf in parent and OmegaConf.is_interpolation(parent, leaf)


def start_of_run(config: DictConfig, overrides: list[str], directory: Path) -> Start:
    """The start of a single run in its directory.

    Where SLURM has requeued a job (`--requeue`, a node that failed, `#SBATCH --signal=SIGUSR1@90`), the same command in
    the same `hydra.run.dir` resumes the run in it.
    """
    asked = checked_by_schema(config, overrides)
    if asked.resume is None and requeued() and (directory / RESULT).exists():
        return _met_again(asked, overrides, directory)
    check_arguments(asked)
    if requeued() and asked.resume is not None:
        _wait_for_another_sign(find_run(asked.resume))
    check_place(directory, asked.resume)
    return Start(asked)


def claim_place(directory: Path, start: Start) -> None:
    """Claim a run's directory for this process, and check it once more, now that no other process can change it."""
    claim(directory, wait=patience())
    assert start.experiment is not None, "only a run claims its directory"
    resume = start.experiment.resume
    if not (requeued() and resume is not None):  # else the directory is that of its own earlier start
        check_place(directory, resume)


def start_of_job(config: DictConfig, overrides: list[str], directory: Path) -> Start:
    """The start of a sweep's job in its directory, which may hold its run from an earlier start of the sweep."""
    return _met_again(checked_by_schema(config, overrides), overrides, directory)


def _met_again(asked: Experiment, overrides: list[str], directory: Path) -> Start:
    if requeued() and (directory / RESULT).exists():
        _wait_for_another_sign(directory)
    taken = taken_up(asked.tree(), overrides, directory)
    if taken.tree is None:
        return Start(None, taken.remark, taken.value)
    # a recorded configuration is checked again: another version may have written it
    experiment = asked if taken.tree == asked.tree() else _checked(taken.tree)
    check_arguments(experiment)
    return Start(experiment, taken.remark)


def patience() -> float:
    """Seconds to wait for the process that holds a directory: the claim of a failed node expires after a minute."""
    return 7 * SIGN_OF_LIFE if requeued() else 0.0


def _wait_for_another_sign(run: Path) -> None:
    """Wait until a run counts as lost, which takes a minute after a node failed, or until its next heartbeat."""
    if first_process() and status_of(read_result(run)) == "running":
        print(f"{run} may be running; waiting for its next heartbeat, at most {7 * SIGN_OF_LIFE:.0f} s", flush=True)
    first, end = read_result(run).alive, time.monotonic() + 7 * SIGN_OF_LIFE
    while first_process() and time.monotonic() < end:
        now = read_result(run)
        if status_of(now) != "running" or now.alive != first:
            break
        time.sleep(1)


def check_place(directory: Path, resume: str | None) -> None:
    """Raise ConfigError where a run can't start in its directory, or can't be resumed."""
    if not first_process():  # the first process has started there already
        return
    if resume is None:
        if (directory / RESULT).exists():
            raise ConfigError(Fault("hydra.run.dir", f"{directory} holds a run already; resume it, or name another"))
        return
    run = find_run(resume)
    result = read_result(run)
    if directory.resolve() != run.resolve():
        raise ConfigError(Fault("hydra.run.dir", "a resumed run stays in its own directory; leave it out"))
    if status_of(result) == "running":
        raise ConfigError(Fault("resume", f"{run} {still_running(result)}"))
    kept = {"last": resumable(run), "best": (run / BEST).exists() or not _validates(result)}
    if result.status == "done" and not all(kept.values()):
        lacks = "last" if not kept["last"] else "best"
        why = f"is done and did not keep its {lacks} checkpoint; to start a new run from its weights: init_from={run}"
        raise ConfigError(Fault("resume", f"{run} {why}"))


def _validates(record: RunRecord) -> bool:
    return record.config is not None and record.config.data is not None and record.config.data.val_size != 0
