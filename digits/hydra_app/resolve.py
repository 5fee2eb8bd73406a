"""From what was typed to the Experiment that a run will really be; or one clear sentence for each fault.

Everything here happens before a directory is made, and once in the process that trains; what needs torch comes last.
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
from digits.runs.resume import keys, once_more, resumable, resumed, still_running, taken_up
from digits.runs.schema import RunRecord
from digits.runs.teachers import find_teachers, trained_anew

VOID_MOMENTUM = (
    "has no effect with scheduler.cycle_momentum=true; leave one of them out, or say from where to where it goes with "
    "+scheduler.base_momentum and +scheduler.max_momentum"
)


@dataclass(frozen=True)
class Start:
    """What a start does in its directory."""

    experiment: Experiment | None  # to be run; None: nothing, it is done
    remark: str = ""  # to be told
    value: float | None = None  # of what its task monitors, of a run that is done


def experiment_of(config: DictConfig, overrides: list[str]) -> Experiment:
    """The Experiment that a run will really be: what was asked for, or what was recorded of another start.

    Raises ConfigError with every fault there is.
    """
    experiment = checked_by_schema(config, overrides)
    check_arguments(experiment)
    return experiment


def checked_by_schema(config: DictConfig, overrides: list[str]) -> Experiment:
    """The same, but for the arguments that no schema knows: they are checked when all else is known to be right."""
    with chdir(asked_in()):  # a sweep's job with hydra.job.chdir is elsewhere already
        return _checked_by_schema(config, overrides)


def _checked_by_schema(config: DictConfig, overrides: list[str]) -> Experiment:
    tree = plain(config)
    if tree.get("resume") is not None and tree.get("config_from") is not None:
        raise ConfigError(Fault("config_from", "starts a new run, resume goes on with an old one; give one of the two"))
    if tree.get("resume") is not None:
        tree = resumed(tree, overrides)
    elif tree.get("config_from") is not None:
        tree = once_more(tree, overrides)
    faults: list[Fault] = []
    if tree.get("resume") is None and tree.get("config_from") is None and (key := void_momentum(config)):
        faults.append(Fault(key, VOID_MOMENTUM))
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
    begins = experiment.init_from  # places are recorded so that they are found from any folder
    found = begins if begins in (None, PRETRAINED) else os.path.abspath(begins)  # noqa: PTH100 (links in it stay)
    teachers = [os.path.abspath(run) for run in experiment.teachers]  # noqa: PTH100 (links in it stay)
    return experiment.model_copy(update={"init_from": found, "teachers": teachers})


def _with_absolute_places(tree: Tree) -> Tree:
    """The configuration with places of the data that are found from any folder."""
    data = tree.get("data")
    if not isinstance(data, dict):
        return tree
    places = {name: value for name, value in data.items() if f"data.{name}" in PATHS and isinstance(value, str)}
    return tree | {"data": data | {name: os.path.abspath(value) for name, value in places.items()}}  # noqa: PTH100 (links in it stay)


def _counted(config: DictConfig, tree: Tree) -> tuple[Tree, list[Fault]]:
    """The configuration with what only the files of its data set can tell, and what is wrong with them."""
    recorded = tree.get("resume") is not None or tree.get("config_from") is not None
    data = tree.get("data")
    if not isinstance(data, dict):
        return tree, []
    section, problems = counted(data, knows_none=not recorded and knows_none(tree))
    if section == data:
        pass
    elif recorded:
        tree = tree | {"data": section}
    else:  # what is computed from it, as model.num_classes is, follows
        config = config.copy()
        OmegaConf.update(config, "data", section, merge=False, force_add=True)
        tree = plain(config)
    return tree, [Fault(f"data.{key}", problem) for key, problem in problems.items()]


def _begin(tree: Tree, overrides: list[str]) -> Tree:
    """The configuration with the model and the normalisation of the net that it begins with."""
    if tree.get("resume") is not None:
        return tree
    if tree.get("config_from") is not None:
        check_same(tree)
        return tree
    return begin(tree, keys(overrides), usual_model())


def _checked(tree: Tree) -> Experiment:
    """A configuration's Experiment; raises ConfigError, also for teachers that can't teach what it asks for."""
    experiment = check(tree)
    teachers = find_teachers(experiment)
    if experiment.resume is None or not resumable(run := Path(experiment.resume)):
        return experiment
    if anew := trained_anew(read_result(run).teachers, teachers):
        why = f"has been trained anew since {run} began to learn from it; start a new run with config_from={run}"
        raise ConfigError(*[Fault("teachers", f"{teacher} {why}") for teacher in anew])
    return experiment


def _where_given(config: DictConfig, error: ConfigError) -> ConfigError:
    """Without the faults of values that only repeat another key's, as scheduler.max_lr repeats optimizer.lr."""
    own = [fault for fault in error.faults if not _is_interpolation(config, fault.key)]
    return ConfigError(*own) if own else error


def _is_interpolation(config: DictConfig, key: str) -> bool:
    section, _, leaf = key.rpartition(".")
    parent = OmegaConf.select(config, section) if section else config
    return isinstance(parent, DictConfig) and leaf in parent and OmegaConf.is_interpolation(parent, leaf)


def start_of_run(config: DictConfig, overrides: list[str], directory: Path) -> Start:
    """What a single run does in its directory, which is its own from its first step to its last.

    Where SLURM has started a job again (`--requeue`, a node that failed, `#SBATCH --signal=SIGUSR1@90`), the same
    command in the same `hydra.run.dir` goes on with the run in it.
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
    """Take a run's directory for this process, and look once more whether it may go there, now that nobody else can."""
    claim(directory, wait=patience())
    assert start.experiment is not None, "nobody claims a place to do nothing in"
    resume = start.experiment.resume
    if not (requeued() and resume is not None):  # else it has met its own former start
        check_place(directory, resume)


def start_of_job(config: DictConfig, overrides: list[str], directory: Path) -> Start:
    """What a sweep's job does in its directory, where it may have been when the sweep was started before."""
    return _met_again(checked_by_schema(config, overrides), overrides, directory)


def _met_again(asked: Experiment, overrides: list[str], directory: Path) -> Start:
    if requeued() and (directory / RESULT).exists():
        _wait_for_another_sign(directory)
    taken = taken_up(asked.tree(), overrides, directory)
    if taken.tree is None:
        return Start(None, taken.remark, taken.value)
    # else a record, written perhaps by another version
    experiment = asked if taken.tree == asked.tree() else _checked(taken.tree)
    check_arguments(experiment)
    return Start(experiment, taken.remark)


def patience() -> float:
    """Seconds to wait for whoever holds a directory: a node that failed seems alive for a minute yet."""
    return 7 * SIGN_OF_LIFE if requeued() else 0.0


def _wait_for_another_sign(run: Path) -> None:
    """After a node's failure its run seems alive for a minute yet; one that really is gives another sign of life."""
    if first_process() and status_of(read_result(run)) == "running":
        print(f"{run} seems alive; waiting for another sign of it, at most {7 * SIGN_OF_LIFE:.0f} s", flush=True)
    first, end = read_result(run).alive, time.monotonic() + 7 * SIGN_OF_LIFE
    while first_process() and time.monotonic() < end:
        now = read_result(run)
        if status_of(now) != "running" or now.alive != first:
            break
        time.sleep(1)


def check_place(directory: Path, resume: str | None) -> None:
    """Whether a run may go where it would."""
    if not first_process():  # the first has begun there
        return
    if resume is None:
        if (directory / RESULT).exists():
            raise ConfigError(Fault("hydra.run.dir", f"{directory} holds a run already; resume it, or name another"))
        return
    run = find_run(resume)
    result = read_result(run)
    if directory.resolve() != run.resolve():
        raise ConfigError(Fault("hydra.run.dir", "a run that goes on does so in its own directory; leave it out"))
    if status_of(result) == "running":
        raise ConfigError(Fault("resume", f"{run} {still_running(result)}"))
    kept = {"last": resumable(run), "best": (run / BEST).exists() or not _validates(result)}
    if result.status == "done" and not all(kept.values()):
        lacks = "last" if not kept["last"] else "best"
        why = f"is done and did not keep its {lacks} checkpoint; to start anew from its weights, take init_from={run}"
        raise ConfigError(Fault("resume", f"{run} {why}"))


def _validates(record: RunRecord) -> bool:
    return record.config is not None and record.config.data is not None and record.config.data.val_size != 0
