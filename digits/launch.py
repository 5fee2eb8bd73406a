"""Where Hydra's command line meets `digits`: checks before anything is made, names for directories, clear failures.

`conf/train.yaml` names `BeforeStart` as a Hydra callback and the resolvers below in its directories.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from digits.config.check import ConfigError, Fault, check, nearest
from digits.config.schema import Tree
from digits.config.targets import TargetError, is_trusted, targets_in
from digits.training.run import JobFailed, RunError, find_run, read_result

LENGTHS = {"trainer.max_epochs", "trainer.max_steps", "trainer.max_time"}
"""What may be given anew to a run that goes on."""


def conf_directory() -> str:
    """The folder of YAML files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


def plain(config: DictConfig) -> Tree:
    """A composed configuration as plain data: interpolations resolved, Hydra's own section left out."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra", None)
    return cast(Tree, OmegaConf.to_container(config, resolve=True))


# ---- Names of directories -----------------------------------------------------------------------


def unique_name() -> str:
    """A name that sorts by time and that no other start can have."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def run_directory(resume: str | None) -> str:
    """Where a run goes: its own directory again, or a new one."""
    return resume if resume is not None else f"outputs/runs/{unique_name()}"


def job_directory(override_dirname: str) -> str:
    """A sweep's job is known by its overrides, so that adding a value to the sweep renames none."""
    name = re.sub(r"[^\w.,=+~@-]", "_", override_dirname) or "default"
    if name != override_dirname or len(name) > 150:
        name = f"{name[:150]}-{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"
    return name


OmegaConf.register_new_resolver("unique_name", unique_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("run_directory", run_directory, use_cache=True, replace=True)
OmegaConf.register_new_resolver("job_directory", job_directory, replace=True)


# ---- Checks before the start --------------------------------------------------------------------


class BeforeStart(Callback):
    """Checks every configuration before a directory is made and before torch is imported."""

    reached = False
    sweep: Path | None = None

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """One run: all its faults at once, or go on."""
        BeforeStart.reached = True
        stop_on_fault(lambda: settle(config, list(config.hydra.overrides.task)))

    def on_multirun_start(self, config: DictConfig, config_name: str | None = None, **_: object) -> None:
        """A sweep: the faults of all its jobs, each told once."""
        BeforeStart.reached = True
        BeforeStart.sweep = Path(config.hydra.sweep.dir)
        if "BasicSweeper" in config.hydra.sweeper._target_:
            stop_on_fault(lambda: _check_jobs(config, config_name))


def settle(config: DictConfig, overrides: list[str]) -> Tree:
    """The configuration that a run will really have: what was asked for, or on resume what was recorded."""
    tree = plain(config)
    if tree.get("resume") is not None:
        tree = _resumed(tree, overrides)
    check(tree)
    return tree


def _resumed(asked: Tree, overrides: list[str]) -> Tree:
    """A run's own recorded configuration, with the lengths that were given anew."""
    try:
        run = find_run(str(asked["resume"]))
        recorded = read_result(run).get("config")
    except RunError as error:
        raise ConfigError(Fault("resume", str(error))) from None
    if not isinstance(recorded, dict):
        raise ConfigError(Fault("resume", f"{run} has no configuration in its record"))
    for key, section in targets_in(recorded):
        if not is_trusted(str(section["_target_"])):
            raise ConfigError(
                Fault(key, f"the run's record names {section['_target_']}, which is not called for a file")
            )
    given = {override.lstrip("+").split("=", 1)[0] for override in overrides} - {"resume"}
    if given - LENGTHS:
        raise ConfigError(*[Fault(key, f"can't be changed on resume, only {', '.join(sorted(LENGTHS))} can; "
                                  "to start anew from the weights, take init_from") for key in sorted(given - LENGTHS)])  # fmt: skip
    trainer, asked_trainer = recorded["trainer"], asked["trainer"]
    assert isinstance(trainer, dict)
    assert isinstance(asked_trainer, dict)
    lengths = {key.removeprefix("trainer."): asked_trainer[key.removeprefix("trainer.")] for key in given}
    return recorded | {"trainer": trainer | lengths, "resume": asked["resume"]}


def _check_jobs(config: DictConfig, config_name: str | None) -> None:
    """Compose and check each job of a sweep; two jobs that would share a directory are a fault."""
    parser = OverridesParser.create(config_loader=_config_loader())
    parameters = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    overrides = parser.parse_overrides([*parameters, *config.hydra.overrides.task])
    jobs = [job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]
    compositions: dict[tuple[str, ...], DictConfig] = {}
    faults: dict[Fault, None] = {}
    if len(set(map(tuple, jobs))) < len(jobs):
        faults[Fault("", "two jobs of this sweep have the same overrides; name each value once")] = None
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
        try:
            if tree.get("resume") is not None:
                raise ConfigError(Fault("resume", "goes on with one run; leave out -m"))
            check(tree)
        except ConfigError as error:
            faults |= dict.fromkeys(error.faults)
    if faults:
        raise ConfigError(*faults)


def _config_loader() -> ConfigLoader:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.config_loader


# ---- The command --------------------------------------------------------------------------------


def stop_on_fault(action: Callable[[], object]) -> None:
    """Run a check inside Hydra, which swallows a callback's exceptions but lets SystemExit through."""
    try:
        action()
    except (ConfigError, HydraException, OmegaConfBaseException) as error:
        print(_sentence(error), file=sys.stderr)
        sys.exit(2)


def run_command(hydra_main: Callable[[], None], after_sweep: Callable[[Path], None]) -> None:
    """Run a Hydra application with our exit codes: 0 done, 1 it failed, 2 asked for what can't be, 130/143 cut off."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # so that errors reach us, not Hydra's own printer
    try:
        hydra_main()
    except (ConfigError, TargetError) as error:
        print(_sentence(error), file=sys.stderr)
        sys.exit(2)
    except (HydraException, OmegaConfBaseException) as error:
        print(_sentence(error), file=sys.stderr)
        sys.exit(1 if BeforeStart.reached else 2)
    except JobFailed as error:
        code = error.code if BeforeStart.sweep is None else 1
    else:
        code = 0
    if BeforeStart.sweep is not None and BeforeStart.sweep.is_dir():
        after_sweep(BeforeStart.sweep)
    sys.exit(code)


def _sentence(error: Exception) -> str:
    """What Hydra's grammar or our schema refused, in as few words as will do."""
    if isinstance(error, ConfigError | TargetError):
        return str(error)
    causes: list[BaseException] = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    first = str(error).splitlines()[0].rstrip(".")
    match = re.match(r"Could not override '([^']+)'", first)
    if match:
        return str(Fault(match[1], "no such key" + _near_key(match[1])))
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "\n".join(line for line in lines if not line.startswith(("full_key:", "object_type=", "Set the env")))


def _near_key(key: str) -> str:
    """The key that was probably meant, and how to add one that a constructor knows."""
    config = compose(config_name="train")
    section, _, leaf = key.rpartition(".")
    found = OmegaConf.select(config, section) if section else config
    if not isinstance(found, DictConfig):
        return nearest(key, [str(k) for k in config])
    hint = nearest(leaf, [str(k) for k in found if k != "_target_"])
    return hint + (f", or +{key}=… for an argument of {found['_target_']}" if "_target_" in found else "")
