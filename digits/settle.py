"""From what was typed to the configuration a run will really have, checked; or one clear sentence for each fault.

Everything here happens before a directory is made and before torch is imported.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import cast

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from digits.config.check import ConfigError, Fault, check, nearest
from digits.config.targets import TargetError, untrusted
from digits.config.tree import Tree
from digits.launch import conf_directory
from digits.training.run import BEST, LAST, RESULT, RunError, find_run, read_result, runs_in, status_of

LENGTHS = {"trainer.max_epochs"}
"""What may be given anew to a run that goes on; not max_steps, with which Lightning 2.6 repeats an epoch on resume."""


SWEEP_OVER_DEVICES = "several processes a job would each start the whole sweep again; leave out -m, one command a job"

HYDRAS_DETAILS = ("full_key:", "object_type=", "See https", "Config search path:", "provider=")
"""Lines of Hydra's messages that help whoever debugs Hydra."""


def plain(config: DictConfig) -> Tree:
    """A composed configuration as plain data: interpolations resolved, Hydra's own section left out."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra", None)
    return cast(Tree, OmegaConf.to_container(config, resolve=True))


def settle(config: DictConfig, overrides: list[str]) -> Tree:
    """The configuration that a run will really have: what was asked for, or on resume what was recorded."""
    tree = plain(config)
    if tree.get("resume") is not None:
        tree = _resumed(tree, overrides)
    try:
        check(tree)
    except ConfigError as error:
        raise _where_given(config, error) from None
    return tree


def _where_given(config: DictConfig, error: ConfigError) -> ConfigError:
    """Without the faults of values that only repeat another key's, as scheduler.max_lr repeats optimizer.lr."""
    own = [fault for fault in error.faults if not _is_interpolation(config, fault.key)]
    return ConfigError(*own) if own else error


def _is_interpolation(config: DictConfig, key: str) -> bool:
    section, _, leaf = key.rpartition(".")
    parent = OmegaConf.select(config, section) if section else config
    return isinstance(parent, DictConfig) and leaf in parent and OmegaConf.is_interpolation(parent, leaf)


def _resumed(asked: Tree, overrides: list[str]) -> Tree:
    """A run's own recorded configuration, with the lengths that were given anew."""
    try:
        run = find_run(str(asked["resume"]))
        recorded = read_result(run).get("config")
    except RunError as error:
        raise ConfigError(Fault("resume", str(error))) from None
    if not isinstance(recorded, dict):
        raise ConfigError(Fault("resume", f"{run} has no configuration in its record"))
    trust = asked["trust"]
    strangers = untrusted(recorded, [str(package) for package in trust] if isinstance(trust, list) else [])
    if strangers:
        why = "the run's record names {0}, which is not called for a file; if you trust it, say trust=[{1}]"
        raise ConfigError(*[Fault(key, why.format(name, name.partition(".")[0])) for key, name in strangers])
    given = {override.lstrip("+").split("=", 1)[0] for override in overrides} - {"resume", "trust"}
    if given - LENGTHS:
        why = f"can't be changed on resume, only {', '.join(sorted(LENGTHS))} can; to start from its weights: init_from"
        raise ConfigError(*[Fault(key, why) for key in sorted(given - LENGTHS)])
    trainer, asked_trainer = recorded["trainer"], asked["trainer"]
    assert isinstance(trainer, dict)
    assert isinstance(asked_trainer, dict)
    lengths = {key.removeprefix("trainer."): asked_trainer[key.removeprefix("trainer.")] for key in given}
    return recorded | {"trainer": trainer | lengths, "resume": asked["resume"], "trust": trust}


def check_place(directory: Path, resume: str | None) -> None:
    """Whether a run may go where it would: a run's directory is its own, from its first step to its last."""
    if "LOCAL_RANK" in os.environ:  # one of the processes of a run that has begun there
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
        raise ConfigError(Fault("resume", f"{run} is still running (process {result.get('pid')})"))
    if not (run / LAST).exists() and ((run / BEST).exists() or result.get("status") == "done"):
        why = f"{run} did not keep its last checkpoint; to start anew from its weights, take init_from={run}"
        raise ConfigError(Fault("resume", why))


def check_jobs(config: DictConfig, config_name: str | None) -> None:
    """Compose and check each job of a sweep; two jobs that would share a directory are a fault."""
    parser = OverridesParser.create(config_loader=_config_loader())
    parameters = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    overrides = parser.parse_overrides([*parameters, *config.hydra.overrides.task])
    jobs = [job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]
    compositions: dict[tuple[str, ...], DictConfig] = {}
    faults: dict[Fault, None] = {}
    if len(set(map(tuple, jobs))) < len(jobs):
        faults[Fault("", "two jobs of this sweep have the same overrides; name each value once")] = None
    if any(runs_in(Path(config.hydra.sweep.dir))):
        faults[Fault("hydra.sweep.dir", f"{config.hydra.sweep.dir} holds runs already; name another")] = None
    for job in jobs:
        parsed = parser.parse_overrides(job)
        loader = _config_loader()
        # Composing costs 80 ms, so jobs that choose the same groups share it and only their values are applied
        groups = tuple(o.input_line for o in parsed if o.input_line and loader.get_group_options(o.key_or_group))
        values = [o for o in parsed if o.input_line not in groups]
        if groups not in compositions:
            compositions[groups] = compose(config_name=config_name, overrides=list(groups))
        composed = compositions[groups].copy()
        OmegaConf.set_struct(composed, True)
        ConfigLoaderImpl._apply_overrides_to_config(values, composed)
        tree = plain(composed)
        if tree.get("resume") is not None:
            faults[Fault("resume", "goes on with one run; leave out -m")] = None
        try:
            trainer = check(tree).trainer
        except ConfigError as error:
            faults |= dict.fromkeys(_where_given(composed, error).faults)
        else:
            if trainer.strategy != "auto" or (isinstance(trainer.devices, int) and trainer.devices > 1):
                faults[Fault("trainer.strategy", SWEEP_OVER_DEVICES)] = None
    if faults:
        raise ConfigError(*faults)


def _config_loader() -> ConfigLoader:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.config_loader


def sentence(error: Exception) -> str:
    """What Hydra's grammar or our schema refused, in as few words as will do; empty for any other error."""
    if isinstance(error, ConfigError | TargetError):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return ""
    text = str(error)
    if match := re.match(r"Could not override '([^']+)'", text):
        return str(Fault(match[1], "no such key" + _near_key(match[1])))
    if match := re.search(r"Could not find '(.+)/([^/]+)'\s+Available options in '[^']+':\n((?:\s.+\n?)+)", text):
        return str(Fault(match[1], f"there is no {match[2]}" + nearest(match[2], match[3].split())))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line for line in lines if not line.startswith(HYDRAS_DETAILS))


def _near_key(key: str) -> str:
    """The key that was probably meant, and how to add one that a constructor knows."""
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        config = compose(config_name="train")
    section, _, leaf = key.rpartition(".")
    found = OmegaConf.select(config, section) if section else config
    if not isinstance(found, DictConfig):
        return nearest(key, [str(k) for k in config])
    hint = nearest(leaf, [str(k) for k in found if k != "_target_"])
    return hint + (f" (another argument of {found['_target_']} is added with +{key}=…)" if "_target_" in found else "")
