"""One start of a search, from the checked plan to the summary: what `python -m digits.tune` does."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from digits.config.faults import ConfigError
from digits.config.tune import Tune
from digits.processes.signals import handle_in_search
from digits.tuning import table
from digits.tuning.plan import Plan
from digits.tuning.plotting.page import write_page
from digits.tuning.progress import Progress
from digits.tuning.results import Objective, outcome_of
from digits.tuning.samplers import engines
from digits.tuning.search import Search
from digits.tuning.storage import counted, first_line, is_cut_off, note
from digits.tuning.study import Memory, definition
from digits.tuning.winner import best_trials, test_winner
from digits.tuning.worker import Trainer, Work, start

log = logging.getLogger(__name__)


def run_search(plan: Plan, directory: Path, work: Work) -> int:
    """Search until all trials are done; returns the exit code.

    Raises ConfigError where the study is another's, or its database isn't there.
    """
    try:
        return _run(plan, directory, work)
    except ConfigError:
        raise
    except Exception as error:  # Optuna asserts where its storage fails: what it failed of is told, if it did
        lost = _of_storage(error)
        if lost is None:
            raise
        log.error("the search can't be written down any more: %s; when it can be, the same command goes on", lost)  # noqa: TRY400 (the traceback helps nobody)
        return 1


def _of_storage(error: BaseException | None) -> str | None:
    """What a storage or a disk said, if an error comes of that."""
    while error is not None:
        if isinstance(error, SQLAlchemyError | OSError):
            return first_line(error)
        error = error.__cause__ or error.__context__
    return None


def _run(plan: Plan, directory: Path, work: Work) -> int:
    tune = plan.tune
    memory = Memory(directory, tune.name, tune.storage, tune.heartbeat, tune.retries, tune.workers)
    space = {name: parameter.model_dump() for name, parameter in plan.space.items()}
    what = definition(list(tune.objective), space, plan.base.tree(), plan.pruner.tree())
    what |= {"heartbeat": tune.heartbeat, "base": list(plan.asked)}
    study = memory.create(what)
    note(directory, tune.name, tune.storage)
    progress = Progress(plan.space, [Objective.named(name, plan.task) for name in tune.objective])
    search = Search(memory, tune, plan.space, lambda n: engines(plan, n), plan.take_up, progress, plan.most)
    trials = counted(study.get_trials(deepcopy=False))
    finished = sum(trial.state.is_finished() and not is_cut_off(trial) for trial in trials)
    log.info("search %s: %s of %s trials are done; %s", tune.name, finished, search.most, directory)
    progress.begin(finished, search.most)
    workers = Workers(search, work, tune)
    try:
        remarks = workers.run()
    finally:
        progress.close()
    study = memory.study()
    for remark in remarks:
        log.info("%s", remark)
    outcome = outcome_of(study)
    log.info("\n%s\n%s", table.counted(outcome), table.closing(outcome, directory))
    if outcome.trials:
        log.info("\npictures  %s", write_page(study, directory))
    if workers.signal is not None:
        log.info("interrupted; the same command goes on")
        return 128 + workers.signal
    if search.given_up:
        log.error("given up: %s; once that is mended, the same command goes on", search.given_up)
        return 1
    return 0 if best_trials(study) else 1


class Workers:
    """The threads of a search, each with a trainer process; on a signal all trials save and leave."""

    def __init__(self, search: Search, work: Work, tune: Tune) -> None:
        self._search, self._work, self._tune = search, work, tune
        self._trainers: list[Trainer] = []
        self._remarks: list[str] = []
        self.signal: int | None = None
        self.error: Exception | None = None

    def run(self) -> list[str]:
        """Work until all trials are done; returns what is to be told afterwards."""
        threads = [threading.Thread(target=self._one, name=f"worker {i}") for i in range(self._tune.workers)]
        with handle_in_search(self._save):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self.error is not None:
            raise self.error
        return list(dict.fromkeys(self._remarks))

    def _one(self) -> None:
        try:
            while not self._search.stopping.is_set():
                trainer = start(self._work, self._tune.workers)
                self._trainers.append(trainer)
                try:
                    if self._search.work(trainer):
                        if self._tune.test and not self._search.stopping.is_set():
                            self._remarks += filter(None, [test_winner(self._search.memory, trainer)])
                        return
                finally:
                    self._trainers.remove(trainer)
                    trainer.close()
        except Exception as error:  # of the storage, say; the other workers would meet it too
            self.error = error
            self._leave(signal.SIGTERM)

    def _save(self, number: int) -> None:
        self.signal = number
        log.info("leaving when the trials have saved (%s); once more to leave at once", signal.Signals(number).name)
        self._leave(number)

    def _leave(self, number: int) -> None:
        self._search.stopping.set()
        for trainer in list(self._trainers):
            trainer.leave(number)
