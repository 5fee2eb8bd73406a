"""Search hyperparameters with Optuna: trials are drawn, trained, pruned where they are hopeless, and compared.

    python -m digits.tune model=cnn search_space=cnn tune.trials=50
    python -m digits.tune model=cnn tune.workers=2 pruner=median sampler=cmaes
    python -m digits.tune model=cnn tune.objective=[val/accuracy,parameters]
    python -m digits.tune model=cnn tune.storage=postgresql://USER@HOST/DATABASE

Leaves `outputs/tune/NAME/`, described in `digits.tuning.storage`: the study, a run directory for each trial,
pictures and a page. The same command started again goes on, wherever it was killed; started elsewhere on the same
database, it is one more worker. Trials are judged by the validation split; the best is tested, once. `--help` lists
the choices, `--cfg job` the configuration; what a space looks like stands in `conf/search_space/`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)

# isort: split
import hydra
from omegaconf import DictConfig

from digits.hydra_app.help import help_text
from digits.hydra_app.launchers import be_on_its_own
from digits.hydra_app.paths import as_path, conf_directory

if TYPE_CHECKING:
    from digits.tuning.worker import Tell, TrialJob, Winner


@hydra.main(version_base="1.3", config_path=conf_directory(), config_name="tune")
def _tune(config: DictConfig) -> None:
    from digits.config.faults import ConfigError
    from digits.hydra_app.hooks import BEGUN
    from digits.hydra_app.job import this_job
    from digits.hydra_app.tune_config import plan
    from digits.tuning.run import run_search
    from digits.tuning.worker import Work

    job = this_job()
    search = BEGUN.search or plan(config, job.overrides)  # whoever left our hook out has none
    try:
        sys.exit(run_search(search, job.directory, Work(_prepare, _work)))
    except ConfigError as error:  # what only the study could tell: another search of that name, no such database
        print(error, file=sys.stderr)
        sys.exit(2)


def _prepare() -> None:
    """Import torch before the first trial's process is forked."""
    import digits.training.job  # noqa: F401 (imported for what it imports)


def _work(task: TrialJob | Winner, tell: Tell) -> None:
    """What a trainer does with a trial, in the trial's own process."""
    from digits.processes.claim import claimed
    from digits.runs.layout import SIGN_OF_LIFE, JobFailed, RunError
    from digits.training.callbacks import Pruning
    from digits.training.job import run_job
    from digits.tuning.worker import Winner

    if isinstance(task, Winner):
        _test(task)
        return
    pruning = None if task.watched is None else Pruning(tell, task.watched)
    with ExitStack() as held:
        try:
            held.enter_context(claimed(task.directory, wait=7 * SIGN_OF_LIFE))
        except RunError as error:
            raise JobFailed(str(error), code=2) from None
        run_job(task.experiment, task.directory, task.overrides, task.trial, pruning)


def _test(winner: Winner) -> None:
    """Evaluate the best trial on its test split, as `digits.evaluate` does; what it prints goes to the winner's log."""
    from digits.config.faults import ConfigError, TargetError
    from digits.config.files import FileError
    from digits.data.datasets import DataError
    from digits.evaluating.judge import judge
    from digits.evaluating.plan import Question, plan_all
    from digits.hydra_app.data_sets import named_data_set
    from digits.runs.layout import JobFailed, RunError

    asked = Question()
    try:
        print(judge(plan_all([str(winner.run)], asked, named_data_set), asked, winner.directory).text)
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
  python -m digits.tune …                                      the same command again: it goes on
  python -m digits.report outputs/tune/NAME                    all trials as a table
"""


def main() -> None:
    """The command."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(USAGE, sys.argv[1:], without=()))
        return
    from digits.hydra_app.app import run_command

    sys.argv[1:] = map(as_path, sys.argv[1:])
    be_on_its_own()
    run_command(_tune, after_sweep=lambda _: None)


if __name__ == "__main__":
    main()
