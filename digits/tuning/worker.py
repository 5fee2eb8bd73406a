"""A search's worker: a process that claims a trial of the study, forks a process to train it, and tells the result.

The trial's process reports each epoch to the study over its own connection: database connections don't survive a fork,
so a worker has none open when it forks.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from optuna.exceptions import StorageInternalError, TrialPruned, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from digits.config.faults import ConfigError
from digits.config.schema import Experiment
from digits.processes import child
from digits.processes.logged import run_logged
from digits.processes.signals import RECEIVED, handle_in_worker
from digits.runs.layout import NONFINITE, JobDied, JobFailed
from digits.runs.read import peek, status_of
from digits.runs.schema import TrialOf
from digits.tuning.plan import Plan
from digits.tuning.samplers import engines
from digits.tuning.space import draw, overrides, trial_of
from digits.tuning.storage import (
    COMMAND,
    DIED,
    DIRECTORY,
    LEFT,
    OVERRIDES,
    REASON,
    TRIALS,
    WORKER,
    counted,
    first_line,
    number_of,
    place_of,
    sentence_on_failure,
)
from digits.tuning.study import SharedStudy
from digits.tuning.winner import keep_best

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0  # seconds until an idle worker checks again for interrupted trials of other workers
HOPELESS = 3  # failed trials of this command, with none succeeded, after which it gives up

Report = Callable[[int, float], bool]  # (epochs done, objective) -> whether to prune the trial


@dataclass(frozen=True)
class TrialJob:
    """A trial to be trained."""

    experiment: Experiment
    directory: Path
    overrides: list[str]
    trial: TrialOf  # for its record
    objective: str | None  # the metric that is reported after every epoch, if any
    report: Report


Train = Callable[[TrialJob], None]  # trains a trial, in the trial's own process


def given_up(trials: list[FrozenTrial], command: str) -> str:
    """The reason why a command starts no further trial, else empty; only this command's own trials count."""
    own = [trial for trial in trials if trial.user_attrs.get(COMMAND) == command]
    stuck = [str(trial.user_attrs[LEFT]) for trial in own if trial.user_attrs.get(LEFT)]
    failed = [trial for trial in own if trial.state == TrialState.FAIL and REASON in trial.user_attrs]
    if stuck:
        return stuck[0]
    if len(failed) < HOPELESS or any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in own):
        return ""
    return f"no trial succeeds: {failed[-1].user_attrs[REASON]}"


class Worker:
    """Trains one trial after another of a study that other workers, and other machines, work on too."""

    def __init__(self, shared: SharedStudy, plan: Plan, train: Train) -> None:
        self.shared, self._plan, self._train = shared, plan, train
        objectives = plan.tune.objective
        self._reported = objectives[0] if len(objectives) == 1 and objectives[0].startswith("val/") else None

    @cached_property
    def _study(self) -> Study:
        """The study, loaded by the process that uses it; kept, as it caches finished trials."""
        return self.shared.study()

    def be_the_process(self, parent: int) -> None:
        """Work until all trials are done, then exit; runs in the worker's own process."""
        child.die_with(parent)
        handle_in_worker()
        logging.getLogger(child.__name__).disabled = True  # the search's table shows how a trial died
        sys.exit(sentence_on_failure(self._work))

    def _work(self) -> int:
        while RECEIVED.number is None and self.step():
            pass
        return 0 if RECEIVED.number is None else 128 + RECEIVED.number

    def step(self) -> bool:
        """Train one trial, or wait for one; False if nothing is left to do.

        Raises SystemExit if the trial was asked to exit.
        """
        with self.shared.alone():
            study = self._study
            self.shared.retry(study)
            every = study.get_trials(deepcopy=False)
            trials = counted(every)
            finished = sum(trial.state.is_finished() for trial in trials)
            if finished >= self._plan.most or given_up(every, self.shared.command):
                return False
            waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
            free = bool(waiting) or len(trials) < self._plan.most
            if free:
                # Seeded by the trial's own number: the retry of a trial that was killed before its draw has a new one
                study.sampler, study.pruner = engines(self._plan, waiting[0] if waiting else len(every))
                study.stop = _nothing  # type: ignore[method-assign]  # a grid's sampler calls it, and it raises here
                trial, own, of_search = self._claim(study)
        if not free:
            time.sleep(LOOK_AGAIN)
            return True
        try:
            self._see_to_its_end(study, trial, own, of_search)
        except UpdateFinishedTrialError:
            return True  # another worker found its heartbeat too old, and retries it
        with self.shared.alone():
            keep_best(self.shared.directory, study, self._plan.tune.keep)
        return True

    def _claim(self, study: Study) -> tuple[Trial, list[str], TrialOf]:
        """The next trial, its own overrides, and the entry for its record; call it with the lock held."""
        trial = study.ask()
        self.shared.beat(trial)  # makes its death detectable; the search's main process writes later heartbeats
        claimed = study.get_trials(deepcopy=False)[trial.number]
        values, number = draw(self._plan.space, trial), number_of(claimed)
        own = overrides(self._plan.space, values)
        who = {COMMAND: self.shared.command, WORKER: os.getpid(), "host": socket.gethostname()}
        for name, value in (who | {DIRECTORY: self._places(claimed)[0], OVERRIDES: own}).items():
            trial.set_user_attr(name, value)
        return trial, own, trial_of(self._plan.tune.name, number, self._plan.space, values)

    def _places(self, trial: FrozenTrial) -> list[str]:
        """The directories that a trial may use: the one before its retry, unless it is still in use; or a new one."""
        new, former = f"{TRIALS}/{trial.number:04d}", place_of(trial)
        if former is None or former == new or status_of(peek(self.shared.directory / former)) == "running":
            return [new]
        return [former, new]

    def _see_to_its_end(self, study: Study, trial: Trial, own: list[str], of_search: TrialOf) -> None:
        state, values, asked_to_exit = TrialState.FAIL, None, None
        try:
            values = self._values(study, trial, own, of_search)
            state = TrialState.COMPLETE
        except TrialPruned:
            state = TrialState.PRUNED
        except JobFailed as failure:
            kind = DIED if isinstance(failure, JobDied) else LEFT if failure.storage else REASON
            trial.set_user_attr(kind, str(failure))
        except SystemExit as left:
            trial.set_user_attr(LEFT, "")
            asked_to_exit = left
        study.tell(trial, values, state, skip_if_finished=True)
        if asked_to_exit is not None:
            raise asked_to_exit

    def _values(self, study: Study, trial: Trial, own: list[str], of_search: TrialOf) -> list[float]:
        """Train a trial; returns the values of its objectives. Raises JobFailed, TrialPruned, or SystemExit."""
        claimed = study.get_trials(deepcopy=False)[trial.number]
        places = self._places(claimed)
        record = peek(self.shared.directory / places[0])
        if record.status in ("done", "pruned") and record.trial == of_search:  # killed before the result was told
            return self._outcome(trial, self.shared.directory / places[0])
        experiment, typed, place = self._prepare(trial, own, places)
        report = self._reporter(trial, set(claimed.intermediate_values))
        self.shared.disconnect()
        job = TrialJob(experiment, place, typed, of_search, self._reported, report)
        try:
            run_logged(lambda: self._train(job), place, typed)
        except JobDied:
            raise
        except JobFailed as failure:
            if failure.storage or peek(place).status != "failed":  # no record, or that of an earlier start
                raise
        return self._outcome(trial, place)

    def _prepare(self, trial: Trial, own: list[str], places: list[str]) -> tuple[Experiment, list[str], Path]:
        """A trial's Experiment, all its overrides, and the first directory that it can be trained in."""
        problem = ""
        for directory in places:
            place = self.shared.directory / directory
            try:
                experiment, typed = self._plan.take_up(own, place)
            except ConfigError as error:
                problem = str(error)
                continue
            if experiment is not None:
                if directory != places[0]:
                    trial.set_user_attr(DIRECTORY, directory)
                return experiment, typed, place
        raise JobFailed(problem or f"{places[-1]} holds another run; move it away")

    def _reporter(self, trial: Trial, known: Collection[int]) -> Report:
        def report(epochs: int, value: float) -> bool:
            try:
                if epochs not in known:  # else it was reported before the trial was interrupted
                    trial.report(value, epochs)
                if not child.CAN_FORK:  # there is no main process that writes heartbeats
                    self.shared.beat(trial)
                return trial.should_prune()
            except UpdateFinishedTrialError:  # another worker considered this one dead; it will find the trained run
                return False
            except (StorageInternalError, SQLAlchemyError) as error:
                log.warning("epoch %s could not be reported: %s", epochs, first_line(error))
                return False

        return report

    def _outcome(self, trial: Trial, place: Path) -> list[float]:
        """The objectives of a trial, from its record."""
        record = peek(place)
        for name, value in (("epochs", record.epochs), ("steps", record.steps), ("seconds", record.seconds.get("fit"))):
            trial.set_user_attr(name, value)
        if (place / NONFINITE).exists():  # such values are hopeless, which the sampler should learn
            trial.set_user_attr(REASON, str(record.error))
            raise TrialPruned
        if record.status == "pruned":
            raise TrialPruned
        if record.status != "done":
            raise JobFailed(record.error or f"its record says {record.status}")
        names = self._plan.tune.objective
        values = [record.figures().get(name) for name in names]
        found = [float(value) for value in values if value is not None and math.isfinite(value)]
        if len(found) < len(names):
            raise JobFailed(f"its {', '.join(names)} is missing or not finite")
        return found


def _nothing() -> None:
    """A replacement for `Study.stop`, which raises outside `Study.optimize`."""
