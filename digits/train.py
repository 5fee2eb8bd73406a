"""Train one model, or many with -m.

    python -m digits.train model=cnn optimizer.lr=1e-3
    python -m digits.train -m model=mlp,cnn optimizer.lr=1e-3,3e-4 seed=0,1,2
    python -m digits.train resume=RUN
    python -m digits.train config_from=RUN

Each run writes a directory in `outputs/runs/`, those of a sweep in `outputs/sweeps/`; `digits.runs.layout` describes
its files. A sweep started again with the same `hydra.sweep.dir` runs only the jobs that are not done. `--help` lists
the choices, `--cfg job` prints the configuration.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)

# isort: split
import hydra
from omegaconf import DictConfig

from digits.hydra_app.help import help_text
from digits.hydra_app.launchers import turn
from digits.hydra_app.paths import as_path, conf_directory
from digits.processes.streams import print_all

if TYPE_CHECKING:
    from digits.hydra_app.job import Job

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=conf_directory(), config_name="train")
def _train(config: DictConfig) -> float | None:
    """One job; returns to a sweeper the metric that the task monitors, for classification the validation accuracy."""
    from digits.hydra_app.hooks import BEGUN
    from digits.hydra_app.job import this_job
    from digits.hydra_app.resolve import start_of_run
    from digits.runs.layout import JobFailed

    job = this_job()
    if job.sweep is not None:
        with turn(job.sweep):
            return _train_in_sweep(config, job, job.sweep)
    start = BEGUN.run or start_of_run(config, job.overrides, job.directory)  # unset without our Hydra callback
    if start.experiment is None:
        print(start.remark)
        return start.value
    if start.remark:
        log.warning("%s", start.remark)
    # torch is imported only now, with a valid configuration
    from digits.training.job import run_job

    try:
        return run_job(start.experiment, job.directory, job.overrides)
    except JobFailed as failure:
        sys.exit(failure.code)


def _train_in_sweep(config: DictConfig, job: Job, sweep: Path) -> float | None:
    """One job of many, in its own process: skipped if it is done, else started or resumed.

    Raises JobFailed for the sweeper; the other jobs continue. A message about a directory that another job writes to
    goes to the screen only, not to that directory's log.
    """
    from digits.config.faults import ConfigError
    from digits.hydra_app.job import how_far
    from digits.hydra_app.resolve import patience, start_of_job
    from digits.processes.claim import claimed
    from digits.runs.layout import JobFailed, RunError

    overrides, directory = job.overrides, job.directory
    with ExitStack() as held:
        try:
            held.enter_context(claimed(directory, wait=patience()))
            start = start_of_job(config, overrides, directory)
        except (ConfigError, RunError) as error:
            print(f"failed: {' '.join(overrides) or directory}\n{error}", flush=True)
            raise JobFailed(str(error), code=2) from None
        if (experiment := start.experiment) is None:
            print(start.remark, flush=True)
            return start.value
        if start.remark:
            log.warning("%s", start.remark)
        from digits.processes.child import run_isolated
        from digits.training.job import run_job

        try:
            return run_isolated(lambda: run_job(experiment, directory, overrides), directory, overrides)
        finally:
            if told := how_far(sweep):
                print(told, flush=True)


def _rank(sweep: Path) -> None:
    from digits.runs.report import print_report

    print_report(sweep)


USAGE = """
Train one model, or many with -m.

  python -m digits.train                                       a CNN on MNIST
  python -m digits.train model=mlp optimizer.lr=3e-3 seed=1    another choice, another value
  python -m digits.train -m model=mlp,cnn seed=0,1,2           six runs, ranked at the end
  python -m digits.train -m … hydra.sweep.dir=SWEEP            resume a sweep: only the jobs that are not done
  python -m digits.train resume=RUN                            resume an interrupted run
  python -m digits.train config_from=RUN                       repeat a run, in a new directory
  python -m digits.train --cfg job                             print the configuration, train nothing
"""


def main() -> None:
    """Run the command."""
    print_all()
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(USAGE, sys.argv[1:]))
        return
    from digits.hydra_app.app import run_command

    sweep = bool({"-m", "--multirun"} & set(sys.argv[1:]))
    sys.argv[1:] = [as_path(argument, sweep=sweep) for argument in sys.argv[1:]]
    run_command("train", _train, after_sweep=_rank)


if __name__ == "__main__":
    main()
