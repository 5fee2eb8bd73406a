"""Search hyperparameters with Optuna: sample trials, train them, prune the hopeless ones and compare the rest.

    python -m digits.tune model=cnn search_space=cnn tune.trials=50
    python -m digits.tune model=cnn tune.workers=2 pruner=median sampler=cmaes
    python -m digits.tune model=cnn tune.objective=[val/accuracy,parameters]
    python -m digits.tune model=cnn tune.storage=postgresql://USER@HOST/DATABASE

Writes `outputs/tune/NAME/`, described in `digits.tuning.storage`: the study, a run directory for each trial, and a page
with plots. The same command again resumes an interrupted search; on another machine with the same database it adds
workers. Trials are compared on the validation split; the best one is tested, once. `--help` lists the choices,
`--cfg job` prints the configuration; `conf/search_space/` holds the search spaces.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)

# isort: split
import hydra
from omegaconf import DictConfig

from digits.hydra_app.help import help_text
from digits.hydra_app.launchers import be_on_its_own
from digits.hydra_app.paths import as_path, conf_directory
from digits.processes.streams import print_all

if TYPE_CHECKING:
    from digits.tuning.worker import TrialJob


@hydra.main(version_base="1.3", config_path=conf_directory(), config_name="tune")
def _tune(config: DictConfig) -> None:
    from digits.config.faults import ConfigError
    from digits.hydra_app.hooks import BEGUN
    from digits.hydra_app.job import this_job
    from digits.hydra_app.tune_config import plan
    from digits.processes.cores import cores
    from digits.tuning.run import Work, run_search

    job = this_job()
    search = BEGUN.search or plan(config, job.overrides)  # unset without our Hydra callback
    threads = max(1, cores() // search.tune.workers)
    test = partial(_test, search.trusted)  # packages named on the command line are trusted
    try:
        sys.exit(run_search(search, job.directory, Work(_prepare, partial(_train, threads), test)))
    except ConfigError as error:  # faults that only the study reveals: another search of that name, no such database
        print(error, file=sys.stderr)
        sys.exit(2)


def _prepare() -> None:
    """Import torch before the first process is forked."""
    import digits.training.job  # noqa: F401 (for its imports)


def _train(threads: int, job: TrialJob) -> None:
    """Train a trial, in the trial's own process."""
    import torch

    from digits.processes.claim import claimed
    from digits.runs.layout import SIGN_OF_LIFE, JobFailed, RunError
    from digits.training.callbacks import Pruning
    from digits.training.job import run_job

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    pruning = None if job.objective is None else Pruning(job.report, job.objective)
    with ExitStack() as held:
        try:
            held.enter_context(claimed(job.directory, wait=7 * SIGN_OF_LIFE))
        except RunError as error:
            raise JobFailed(str(error), code=2) from None
        run_job(job.experiment, job.directory, job.overrides, job.trial, pruning)


def _test(trust: tuple[str, ...], run: Path, directory: Path) -> None:
    """Evaluate the best trial on its test split, as `digits.evaluate` does; prints to that test's log."""
    from digits.config.faults import ConfigError, TargetError
    from digits.config.files import FileError
    from digits.data.datasets import DataError
    from digits.evaluating.judge import judge
    from digits.evaluating.plan import Question, plan_all
    from digits.hydra_app.data_sets import named_data_set
    from digits.runs.layout import JobFailed, RunError

    asked = Question(trust=trust)
    try:
        print(judge(plan_all([str(run)], asked, named_data_set), asked, directory).text)
    except (RunError, ConfigError, FileError, TargetError, DataError, OSError) as error:
        print(error, file=sys.stderr)
        code = 1 if isinstance(error, DataError | OSError) else 2
        raise JobFailed("the best trial could not be evaluated", code) from None


USAGE = """
Search hyperparameters with Optuna.

  python -m digits.tune model=cnn                              the space of the same name, 50 trials
  python -m digits.tune model=mlp tune.trials=20 trainer.max_epochs=5
  python -m digits.tune model=cnn search_space=cnn tune.workers=2
  python -m digits.tune model=cnn search_space.lr.high=0.03 '~search_space.dropout'
  python -m digits.tune …                                      the same command again: resume the search
  python -m digits.report outputs/tune/NAME                    print all trials as a table
"""


def main() -> None:
    """Run the command."""
    print_all()
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(USAGE, sys.argv[1:], without=()))
        return
    from digits.hydra_app.app import run_command

    sweep = bool({"-m", "--multirun"} & set(sys.argv[1:]))
    sys.argv[1:] = [as_path(argument, sweep=sweep) for argument in sys.argv[1:]]
    be_on_its_own()
    run_command("tune", _tune, after_sweep=lambda _: None)


if __name__ == "__main__":
    main()
