"""Hydra callbacks, named in `conf/`, that check everything before a directory is made; checks with torch come last."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import env_override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from digits.config.arguments import check_arguments
from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.hydra_app.compose import Composer, config_loader
from digits.hydra_app.job import sweep_begins, typed
from digits.hydra_app.launchers import check_processes, prepare_launcher
from digits.hydra_app.messages import cant_be_written, sentence
from digits.hydra_app.resolve import Start, checked_by_schema, claim_place, patience, start_of_run
from digits.hydra_app.search_path import composes_jobs
from digits.processes.claim import claim
from digits.processes.signals import handle_in_sweep
from digits.processes.slurm import requeued
from digits.runs.layout import RESULT
from digits.runs.resume import done_in, identity

if TYPE_CHECKING:
    from digits.tuning.plan import Plan

SWEEP_OVER_DEVICES = "several processes a job would each start the whole sweep again; leave out -m, one command a job"


@dataclass
class Begun:
    """The results of the hooks, for the command that Hydra runs after them."""

    command: str = ""  # train or tune
    reached: bool = False  # whether Hydra could parse the command line
    run: Start | None = None
    sweep: Path | None = None
    search: Plan | None = None


BEGUN = Begun()


class BeforeStart(Callback):
    """Checks every configuration before a directory is made."""

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """Check a single run, reporting all its faults at once, and claim its directory."""
        BEGUN.reached = True
        HydraConfig.instance().set_config(config)  # Hydra itself does so only later
        with exit_on_fault():
            _check_command("train")
            check_processes(config, sweeps=False)
            overrides, directory = typed(config.hydra.overrides.task), Path(config.hydra.run.dir)
            start = _start(config, overrides, directory)
            claim_place(directory, start)
            # the process that held the directory may have written to it meanwhile
            BEGUN.run = _start(config, overrides, directory) if requeued() else start
            if (directory / RESULT).exists():  # keep the .hydra/ of the first start
                with read_write(config.hydra):
                    config.hydra.output_subdir = None

    def on_multirun_start(self, config: DictConfig, config_name: str | None = None, **_: object) -> None:
        """Check a sweep, reporting the faults of all its jobs, each once, and claim its directory."""
        BEGUN.reached = True
        composes_jobs()
        with exit_on_fault():
            _check_command("train")
            check_processes(config, sweeps=True)
            check_filled_in(config)
            BEGUN.sweep = sweep = Path(config.hydra.sweep.dir)
            handle_in_sweep()
            if "BasicSweeper" in config.hydra.sweeper._target_:
                with env_override(config.hydra.job.env_set):
                    sweep_begins(check_jobs(config, config_name))
            claim(sweep, wait=patience())
            prepare_launcher(config)


class BeforeSearch(Callback):
    """Checks a search before a directory is made."""

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """Check the search space, and the configuration at its edges, reporting all faults at once."""
        from digits.hydra_app.tune_config import plan  # here, since Optuna takes longer than a training's checks
        from digits.tuning.samplers import check_engines

        BEGUN.reached = True
        HydraConfig.instance().set_config(config)  # Hydra itself does so only later
        with exit_on_fault():
            _check_command("tune")
            with env_override(config.hydra.job.env_set):  # as the search will have it
                BEGUN.search = plan(config, typed(config.hydra.overrides.task))
            check_engines(BEGUN.search)

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Refuse several searches in one command."""
        print("-m: a search makes its trials itself; leave out -m, and take tune.workers=N to train N side by side",
              file=sys.stderr)  # fmt: skip
        sys.exit(2)


def _start(config: DictConfig, overrides: list[str], directory: Path) -> Start:
    """The start of a single run; exits where there is nothing to run."""
    with env_override(config.hydra.job.env_set):  # as the job will have it
        start = start_of_run(config, overrides, directory)
    if start.experiment is None:
        print(start.remark)
        sys.exit(0)
    return start


def _check_command(name: str) -> None:
    """Raise ConfigError where the configuration belongs to another command."""
    if BEGUN.command not in ("", name):
        raise ConfigError(Fault("", f"this is a configuration of another command: python -m digits.{name}"))


@contextmanager
def exit_on_fault() -> Iterator[None]:
    """Turn exceptions of checks into SystemExit: Hydra swallows a callback's exceptions, but not SystemExit."""
    try:
        yield
    except Exception as error:  # Hydra would swallow any exception
        if isinstance(error, OSError) and error.filename is not None:
            print(cant_be_written(error), file=sys.stderr)
            sys.exit(1)
        if not (text := sentence(error)):
            raise SystemExit(f"{type(error).__name__}: {error}") from error
        print(text, file=sys.stderr)
        sys.exit(2)


def check_filled_in(config: DictConfig) -> None:
    """Fill in what Hydra would fill in job by job, when the sweep has begun; raises what OmegaConf raises."""
    filled = config.copy()
    with read_write(filled.hydra):
        filled.hydra.job.override_dirname = "job"
    for section in ("sweep", "launcher"):
        OmegaConf.to_container(filled.hydra[section], resolve=True)


def check_jobs(config: DictConfig, config_name: str | None) -> int:
    """Compose and check each job of a sweep; returns how many are not done. Two with one directory are a fault.

    The contents of a directory from an earlier start are checked when its job starts (`start_of_job`). For jobs that
    are done already nothing is imported.
    """
    parser = OverridesParser.create(config_loader=config_loader())
    parameters = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    overrides = parser.parse_overrides([*parameters, *typed(config.hydra.overrides.task)])
    jobs = [job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]
    composer = Composer(config_name)
    done = done_in(Path(config.hydra.sweep.dir))
    left: list[Experiment] = []
    faults: dict[Fault, None] = {}
    if len(set(map(tuple, jobs))) < len(jobs):
        faults[Fault("", "two jobs of this sweep have the same overrides; name each value once")] = None
    for job in jobs:
        composed = composer(job)
        if composed.get("resume") is not None:
            faults[Fault("resume", "is for one run; leave out -m")] = None
            continue
        try:
            experiment = checked_by_schema(composed, job)
        except ConfigError as error:
            faults |= dict.fromkeys(error.faults)
            continue
        if identity(job) not in done:
            left.append(experiment)
        trainer = experiment.trainer
        if trainer.strategy != "auto" or (isinstance(trainer.devices, int) and trainer.devices > 1):
            faults[Fault("trainer.strategy", SWEEP_OVER_DEVICES)] = None
    if faults:
        raise ConfigError(*faults)
    check_arguments(*left)
    return len(left)
