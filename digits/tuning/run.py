"""One start of a search, from the validated plan to the summary: what `python -m digits.tune` does."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from digits.processes.child import CAN_FORK
from digits.processes.signals import blocked, handle_in_search
from digits.tuning import table
from digits.tuning.page import write_page
from digits.tuning.plan import Plan
from digits.tuning.progress import Progress
from digits.tuning.results import Objective, outcome_of
from digits.tuning.storage import COMMAND, WORKER, note, sentence_on_failure
from digits.tuning.study import SharedStudy, definition
from digits.tuning.winner import Test, best_trials, keep_best, test_winner
from digits.tuning.worker import HOPELESS, Train, Worker, given_up

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between two readings of the study, for the table and the bar


@dataclass(frozen=True)
class Work:
    """The functions that a search calls; `prepare` once, before it forks, so that all processes share its imports."""

    prepare: Callable[[], None]
    train: Train
    test: Test


def run_search(plan: Plan, directory: Path, work: Work) -> int:
    """Search until all trials are done; returns the exit code.

    Raises ConfigError if the study belongs to another search, or its database can't be reached.
    """
    return sentence_on_failure(lambda: _run(plan, directory, work))


def _run(plan: Plan, directory: Path, work: Work) -> int:
    tune = plan.tune
    shared = SharedStudy(directory, tune.name, tune.storage, tune.heartbeat, tune.retries)
    space = {name: parameter.model_dump() for name, parameter in plan.space.items()}
    what = definition(list(tune.objective), space, plan.base.tree(), plan.pruner.tree())
    what |= {"heartbeat": tune.heartbeat, "base": [*plan.options, *plan.asked]}
    study = shared.create(what)
    note(directory, tune.name, tune.storage)
    objectives = [Objective.named(name, plan.task) for name in tune.objective]
    progress = Progress(study, shared.command, plan.space, objectives, plan.most)
    progress.say(f"search {tune.name}: {progress.finished} of {plan.most} trials are done; {directory}")
    workers = Workers(Worker(shared, plan, work.train), tune.workers, tune.heartbeat)
    why = remark = ""
    with handle_in_search(workers.save):
        try:
            work.prepare()
            workers.run(progress.show)
            if workers.code == 1:  # a worker has logged why
                return 1
            progress.show()
            why = given_up(study.get_trials(deepcopy=False), shared.command)
            if not workers.code and not why:
                with shared.alone():
                    keep_best(directory, study, tune.keep)
                remark = test_winner(shared, work.test) if tune.test else ""
        except SystemExit as left:  # a signal came while this process itself trained or tested
            workers.code = int(left.code or 0)
        finally:
            progress.close()
    if remark:
        log.info("%s", remark)
    outcome = outcome_of(study)
    log.info("\n%s\n%s", table.counted(outcome), table.closing(outcome, directory))
    if outcome.trials:
        log.info("\npictures  %s", write_page(study, directory))
    if workers.code:
        log.info("interrupted; run the same command again to resume")
        return workers.code
    if why:
        log.error("given up: %s; when that is fixed, run the same command again to resume", why)
        return 1
    return 0 if best_trials(study) else 1


class Workers:
    """The worker processes of a command. `code` is its exit code: 1 if one of them had to stop."""

    def __init__(self, worker: Worker, count: int, heartbeat: int) -> None:
        self._worker, self._count, self._heartbeat = worker, count, heartbeat
        self._shared, self._beat_at = worker.shared, 0.0
        self._study = worker.shared.study()
        self._running: list[ForkProcess] = []
        self._in_vain = 0  # consecutive workers that died before they had a trial
        self.code = 0

    def run(self, look: Callable[[], None]) -> None:
        """Run the workers until all trials are done, calling `look` every second; a killed worker is replaced.

        Gives up when several in a row die before they have a trial.
        """
        if not CAN_FORK:
            while not self.code and self._worker.step():
                look()
            return
        try:
            for _ in range(self._count):
                self._start()
            while self._running:
                wait([process.sentinel for process in self._running], LOOK)
                with suppress(StorageInternalError, SQLAlchemyError):  # the workers decide whether it is gone for good
                    self._beat()
                    look()
                for process in [process for process in self._running if process.exitcode is not None]:
                    self._running.remove(process)
                    if process.exitcode == 1 and not self.code:
                        self.code = 1
                        self._forward(signal.SIGTERM)
                    elif process.exitcode and self._is_replaced(process):
                        self._start()
        finally:
            self._forward(signal.SIGTERM)  # no process is left, unless this one has failed

    def _is_replaced(self, killed: ForkProcess) -> bool:
        every = self._study.get_trials(deepcopy=False)
        had_a_trial = any(self._is_own(trial) and trial.user_attrs.get(WORKER) == killed.pid for trial in every)
        self._in_vain = 0 if had_a_trial else self._in_vain + 1
        if self._in_vain < HOPELESS:
            return True
        if not self.code:
            how = f"signal {-(killed.exitcode or 0)}" if (killed.exitcode or 0) < 0 else f"exit code {killed.exitcode}"
            log.error("given up: %s workers died before they had a trial, the last by %s", self._in_vain, how)
            self.code = 1
            self._forward(signal.SIGTERM)
        return False

    def _is_own(self, trial: FrozenTrial) -> bool:
        return bool(trial.user_attrs.get(COMMAND) == self._shared.command)

    def save(self, number: int) -> None:
        """Handle a signal: all trials save and exit."""
        self.code = 128 + number
        log.info("exiting when the trials have saved (%s); once more to exit at once", signal.Signals(number).name)
        self._forward(number)

    def _beat(self) -> None:
        """Write the heartbeats of the trials whose worker is alive, if they are due."""
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + self._heartbeat
        living = [process.pid for process in self._running if process.exitcode is None]
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self._is_own(trial) and trial.user_attrs.get(WORKER) in living:
                self._shared.beat(trial)

    def _start(self) -> None:
        """Fork a worker, unless all are to exit."""
        process = multiprocessing.get_context("fork").Process(target=self._worker.be_the_process, args=(os.getpid(),))
        self._shared.disconnect()
        with blocked(), warnings.catch_warnings():  # a signal waits until it can be forwarded
            warnings.simplefilter("ignore", DeprecationWarning)  # about threads of a library, whose locks are not used
            if not self.code:
                process.start()
                self._running.append(process)

    def _forward(self, number: int) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, number)
