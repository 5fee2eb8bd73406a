"""Checks of a search before it begins: its space at every edge, its sampler, its objectives."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from digits.config.arguments import check_arguments, misfits
from digits.config.faults import ConfigError, Fault, TargetError, explain
from digits.config.schema import Experiment
from digits.config.task import Task, task_in
from digits.config.trust import own_packages
from digits.config.tune import SECTIONS, Tune
from digits.config.types import Target, Tree
from digits.hydra_app.compose import Composer
from digits.hydra_app.messages import sentence
from digits.hydra_app.resolve import checked_by_schema, start_of_job
from digits.hydra_app.search_path import CONFIG_DIR, SEARCHPATH
from digits.runs.layout import RunError
from digits.tuning.plan import Plan, is_grid
from digits.tuning.space import Drawn, Space, can_meet, edges, grid, overrides, read_space

GIVEN_LATER = {"sampler": {"seed", "search_space"}, "pruner": set[str]()}  # arguments that the search fills in

NOT_SEARCHED = {"resume", "config_from", "test", "checkpoints", "callbacks", "logger", "hydra", *SECTIONS}
"""Sections that no parameter can set."""

JUDGES = {"data", "data.name", "data.root", "data.val_size", "data.split_seed"}
"""Keys that choose the validation images: trials with different ones could not be compared."""

ONE_DEVICE = "a trial is one process; take trainer=cpu or one GPU, and tune.workers=N for N trials side by side"


def plan(config: DictConfig, given: list[str]) -> Plan:
    """The plan of a search; raises ConfigError with every fault.

    The configuration at each parameter's extreme values is composed and checked, so that an unknown key, an unknown
    choice or a range too wide is reported now, not by the trial that draws it.
    """
    sections = {
        name: OmegaConf.to_container(config[name], resolve=True) if name in config else {}
        for name in (*SECTIONS, "task")
    }
    space, faults = read_space(sections["search_space"])
    tune: Tune | None = None
    task = task_in({"task": cast(Tree, sections["task"])})
    settings = cast(Tree, sections["tune"])
    if "objective" in settings and settings["objective"] is None:
        settings["objective"] = [task.monitored]
    try:
        tune = Tune.model_validate(settings, context=task)
    except ValidationError as error:
        faults += explain(Tune, error, prefix="tune")
    sampler, pruner = (_optuna_class(name, cast(Tree, sections[name]), faults) for name in ("sampler", "pruner"))
    asked = [text for text in given if _section_of(text) not in SECTIONS]
    combine = _combiner(asked)

    def compose(own: list[str]) -> Experiment:
        return checked_by_schema(*combine(own))

    base = _base(compose, faults)

    edge_trials: list[Experiment] = []

    def check_edge(own: list[str]) -> None:
        edge_trials.append(trial := compose(own))
        if base is not None:
            _check_trial(trial, base)

    def take_up(own: list[str], directory: Path) -> tuple[Experiment | None, list[str]]:
        assert base is not None, "a plan has a base"
        try:
            config, typed = combine(own)
            trial = start_of_job(config, typed, directory).experiment
            if trial is not None:
                _check_trial(trial, base)
        except (HydraException, OmegaConfBaseException, TargetError, RunError) as error:
            raise ConfigError(Fault("", sentence(error))) from None
        return trial, typed

    faults += _check_keys(space, asked)
    if base is not None and tune is not None:
        faults += _check_objective(tune, sampler, task)
        if sampler is not None and is_grid(sampler):
            faults += grid(space)[1]
    if base is not None:
        faults += _check_edges(space, check_edge)
    if faults or tune is None or base is None or sampler is None or pruner is None:
        raise ConfigError(*dict.fromkeys(faults))
    for name, section in (("sampler", sampler), ("pruner", pruner)):
        faults += misfits(name, section.tree(), GIVEN_LATER[name])
    if faults:
        raise ConfigError(*faults)
    check_arguments(base, *edge_trials)
    sources = HydraConfig.get().runtime.config_sources
    folders = [f"--config-dir={source.path}" for source in sources if source.provider == CONFIG_DIR]
    searched = [
        os.path.abspath(source.path) if source.schema == "file" else f"{source.schema}://{source.path}"  # noqa: PTH100 (symbolic links stay)
        for source in sources
        if source.provider.startswith(SEARCHPATH)
    ]
    folders += [f"{SEARCHPATH}=[{','.join(searched)}]"] if searched else []
    trusted = dict.fromkeys(package for each in (base, *edge_trials) for package in own_packages(each.tree()))
    return Plan(tune, space, sampler, pruner, base, asked, take_up, tuple(folders), tuple(trusted))


def _combiner(asked: list[str]) -> Callable[[list[str]], tuple[DictConfig, list[str]]]:
    """A function from a trial's own overrides to its composed configuration and all its overrides."""
    composer = Composer(HydraConfig.get().job.config_name)
    # every trial keeps the search's space; its default would follow the model that the trial draws
    fixed = [f"search_space={HydraConfig.get().runtime.choices['search_space']}"]

    def combine(own: list[str]) -> tuple[DictConfig, list[str]]:
        replaced = {_key_of(text) for text in own}
        typed = [*(text for text in asked if _key_of(text) not in replaced), *own]
        composed = composer([*fixed, *typed])
        with open_dict(composed):
            for section in SECTIONS:
                composed.pop(section, None)
        return composed, typed

    return combine


def _base(compose: Callable[[list[str]], Experiment], faults: list[Fault]) -> Experiment | None:
    """The Experiment that all trials share, None if it is invalid; its faults are appended to `faults`."""
    try:
        base = compose([])
    except ConfigError as error:
        faults += error.faults
        return None
    for key, value in (("resume", base.resume), ("config_from", base.config_from)):
        if value is not None:
            faults.append(Fault(key, "is for one run; to resume a search, run its command again"))
    if base.data.get("val_size") == 0:
        faults.append(Fault("data.val_size", "is 0; a search is judged by validation images, so keep some"))
    try:
        _check_trial(base, base)
    except ConfigError as error:
        faults += error.faults
    return base


def _optuna_class(name: str, section: Tree, faults: list[Fault]) -> Target | None:
    """The section of the sampler or the pruner; None, and a fault in `faults`, if its class is not Optuna's."""
    target = str(section.get("_target_"))
    if not target.startswith(f"optuna.{name}s."):
        faults.append(Fault(f"{name}._target_", f"is {target}; give a class of optuna.{name}s"))
        return None
    return Target.model_validate(section)


def _check_keys(space: Space, asked: list[str]) -> list[Fault]:
    """Faults of keys that must not be searched, that the command sets too, or that two parameters set at once."""
    faults = []
    fixed = {_key_of(text) for text in asked}
    for name, parameter in space.items():
        key = parameter.key.lstrip("+")
        if key.split(".")[0] in NOT_SEARCHED:
            faults.append(Fault(f"search_space.{name}.key", f"is {key}, which is not searched; leave it out"))
        if key in JUDGES:
            why = f"is {key}, which chooses the images that trials are judged by; leave it out"
            faults.append(Fault(f"search_space.{name}.key", why))
        if key in fixed:
            why = f"is searched by search_space.{name}; leave it out, or the parameter with ~search_space.{name}"
            faults.append(Fault(key, why))
        rivals = [other for other in space if space[other].key.lstrip("+") == key and can_meet(space, other, name)]
        if rivals[0] != name:
            why = f"is {key}, which {rivals[0]} sets too; give each a `when` that excludes the other"
            faults.append(Fault(f"search_space.{name}.key", why))
    return faults


def _check_objective(tune: Tune, sampler: Target | None, task: Task) -> list[Fault]:
    faults = []
    if len(tune.objective) > 1 and sampler is not None and sampler.target.endswith("CmaEsSampler"):
        faults.append(Fault("sampler", "cmaes searches for one objective; with several take sampler=tpe"))
    if not any(name in task.watched for name in tune.objective):
        why = f"has no validation metric; add {' or '.join(task.watched)}"
        faults.append(Fault("tune.objective", why))
    return faults


def _check_trial(trial: Experiment, base: Experiment) -> None:
    """Raise ConfigError where a trial has several processes, other validation images than `base`, or uses the test set.

    A choice of a group or an experiment may set these; only the composed configuration shows it.
    """
    faults = []
    if trial.trainer.strategy != "auto" or trial.trainer.devices not in (1, "auto"):
        faults.append(Fault("trainer.devices", ONE_DEVICE))
    if trial.trainer.find_lr:
        faults.append(Fault("trainer.find_lr", "is for one run; a search of trials takes optimizer.lr as a parameter"))
    if trial.test:
        faults.append(Fault("test", "is true; trials never see the test set; leave it out, tune.test tests the best"))
    judges = ("name", "root", "val_size", "split_seed")
    changed = [key for key in judges if trial.data.get(key) != base.data.get(key)]
    faults += [Fault(f"data.{key}", "chooses the images that trials are judged by; leave it out") for key in changed]
    if trial.task.target != base.task.target:
        faults.append(Fault("task", "chooses what trials are judged by; leave it out"))
    if faults:
        raise ConfigError(*faults)


def _check_edges(space: Space, check_edge: Callable[[list[str]], None]) -> list[Fault]:
    """The faults of the configurations at the edges of the space, at most one for each parameter."""
    faults: dict[str, Fault] = {}
    for name, whole in edges(space):
        values = {other: value for other, value in whole.items() if other not in faults}  # a fault hides others
        while name in values:
            try:
                check_edge(overrides(space, values))
                break
            except (ConfigError, HydraException, OmegaConfBaseException, TargetError, ValueError) as error:
                problem = (sentence(error) or str(error)).splitlines()[0]
                owner = _owner(space, values, problem, name)
                faults[owner] = _of_parameter(space, owner, values, problem)
                del values[owner]
    return list(faults.values())


def _owner(space: Space, values: dict[str, Drawn], problem: str, name: str) -> str:
    """The drawn parameter with whose key the message of a problem begins; if there is none, the one being checked."""
    key = problem.partition(":")[0]
    return next((other for other in values if space[other].key.lstrip("+") == key), name)


def _of_parameter(space: Space, name: str, values: dict[str, Drawn], problem: str) -> Fault:
    told = problem if space[name].key.lstrip("+") in problem else f"{space[name].key}: {problem}"
    shown = {other: values[other] for other in (*space[name].when, name) if other in values}
    return Fault(f"search_space.{name}", f"with {' '.join(overrides(space, shown))}: {told}")


def _section_of(override: str) -> str:
    return _key_of(override).split(".")[0].partition("@")[0]


def _key_of(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]
