"""The workers of a search: each claims a trial, has it trained, and tells what came of it, until all are done."""

from __future__ import annotations

import logging
import math
import socket
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from digits.config.faults import ConfigError
from digits.config.schema import Experiment
from digits.config.tune import Tune
from digits.runs.layout import NONFINITE
from digits.runs.read import peek, status_of
from digits.tuning.progress import Progress
from digits.tuning.space import Space, draw, overrides, trial_of
from digits.tuning.storage import DIRECTORY, LEFT, OVERRIDES, REASON, TRIALS, counted, number_of, place_of
from digits.tuning.study import Memory
from digits.tuning.winner import best_trials, keep_best
from digits.tuning.worker import Ended, Told, Trainer, TrialJob

log = logging.getLogger(__name__)

HOPELESS = 3
"""Trials of this command that fail before any has gone well: the next would fail too."""

LOOK_AGAIN = 1.0
"""Seconds until a worker that has nothing to do looks whether another worker's trial was cut off."""


class TrialFailed(Exception):  # noqa: N818 (it says what happened to the trial)
    """A trial failed by itself; it counts, and is not tried again."""


class TrialCutOff(Exception):  # noqa: N818 (likewise)
    """A trial's process died or was asked to leave; it is begun again, by whoever claims it next."""


class Search:
    """What the workers of one command share; each is a thread with a trainer, on a study that others work on too."""

    def __init__(
        self,
        memory: Memory,
        tune: Tune,
        space: Space,
        engines: Callable[[int], tuple[BaseSampler, BasePruner]],
        take_up: Callable[[list[str], Path], tuple[Experiment | None, list[str]]],
        progress: Progress,
        most: int,
    ) -> None:
        self.memory, self.tune, self.space, self.most = memory, tune, space, most
        self._engines, self._take_up, self._progress = engines, take_up, progress
        self._composing = threading.Lock()  # Hydra composes for one thread at a time
        alone = len(tune.objective) == 1
        self._watched = tune.objective[0] if alone and tune.objective[0].startswith("val/") else None
        self.stopping = threading.Event()
        self.given_up = ""  # why this command trains no more
        self._failures, self._went_well = list[str](), False  # of this command's trials: earlier causes may be gone

    def work(self, trainer: Trainer) -> bool:
        """Train one trial after another until all are done or it is time to stop; False where the trainer is gone."""
        while not self.stopping.is_set():
            with ExitStack() as held:
                held.enter_context(self.memory.alone())
                study = self.memory.study()
                turn = self._turn(study)
                if turn == "done":
                    keep_best(self.memory, study, self.tune.keep)
                    return True
                if turn == "wait":
                    held.close()
                    self.stopping.wait(LOOK_AGAIN)
                    continue
                study.sampler, study.pruner = self._engines(len(study.trials))
                try:
                    self._one_trial(study, trainer, held)
                except (EOFError, OSError):
                    return self.stopping.is_set()
        return True

    def _turn(self, study: Study) -> Literal["train", "wait", "done"]:
        """What a worker does next, while nobody else decides that."""
        self._failures += self.memory.revive(study)
        trials = counted(study.get_trials(deepcopy=False))
        states = [trial.state for trial in trials]
        if len(self._failures) >= HOPELESS and not self._went_well:
            self._give_up(f"no trial goes well: {self._failures[-1]}")
            return "done"
        finished = sum(state.is_finished() for state in states)
        if finished >= self.most:
            return "done"
        if TrialState.WAITING in states:
            return "train"
        return "train" if len(trials) < self.most else "wait"

    def _one_trial(self, study: Study, trainer: Trainer, held: ExitStack) -> None:
        """Claim a trial, and see it to its end; raises EOFError or OSError where the trainer is gone."""
        number: list[int] = []

        def objective(trial: Trial) -> float | tuple[float, ...]:
            number.append(trial.number)
            return self._train(study, trial, trainer, held)

        try:
            study.optimize(objective, n_trials=1, catch=(TrialFailed,))
        except TrialCutOff as cut:
            self._progress.cut_off(number_of(study.get_trials(deepcopy=False)[number[0]]), str(cut))
            return
        except (UpdateFinishedTrialError, ValueError) as error:
            if isinstance(error, ValueError) and not str(error).startswith("Cannot tell a"):
                raise
            lost = number_of(study.get_trials(deepcopy=False)[number[0]])
            self._progress.cut_off(lost, "another worker has taken it over meanwhile")
            return
        with self.memory.alone():
            keep_best(self.memory, study, self.tune.keep)
        trials = study.get_trials(deepcopy=False)
        finished = sum(trial.state.is_finished() for trial in counted(trials))
        ended, leaders = trials[number[0]], best_trials(study)
        if ended.state == TrialState.FAIL:
            self._failures.append(str(ended.user_attrs.get(REASON)))
        else:
            self._went_well = True
        self._progress.ended(ended, leaders[0] if leaders else None, finished)

    def _give_up(self, why: str) -> None:
        self.given_up = why
        self.stopping.set()

    def _train(self, study: Study, trial: Trial, trainer: Trainer, held: ExitStack) -> float | tuple[float, ...]:
        """An objective as Optuna wants it: draw, train, tell; raises TrialPruned, TrialFailed or TrialCutOff."""
        self.memory.storage.record_heartbeat(trial._trial_id)  # from here on its death is seen by it
        frozen = study.get_trials(deepcopy=False)[trial.number]
        values, number = draw(self.space, trial), number_of(frozen)
        own = overrides(self.space, values)
        of_search = trial_of(self.tune.name, number, self.space, values)
        places = self._places(frozen)
        for name, told in ((DIRECTORY, places[0]), ("host", socket.gethostname()), (OVERRIDES, own)):
            trial.set_user_attr(name, told)
        held.close()  # the trial is ours; the next may be claimed
        place = self.memory.directory / places[0]
        record = peek(place)
        if record.status in ("done", "pruned") and record.trial == of_search:
            return self._outcome(trial, place)  # it ended well, and its search was killed before it could note that
        experiment, typed, place = self._prepare(trial, own, places)
        trainer.line.send(TrialJob(experiment, place, typed, of_search, self._watched))
        self._follow(trial, number, frozen.intermediate_values.keys(), trainer)
        return self._outcome(trial, place)

    def _prepare(self, trial: Trial, own: list[str], places: list[str]) -> tuple[Experiment, list[str], Path]:
        """A trial's Experiment, all its overrides, and the first place that it can be trained in."""
        problem = ""
        for directory in places:
            place = self.memory.directory / directory
            try:
                with self._composing:
                    experiment, typed = self._take_up(own, place)
            except ConfigError as error:
                problem = str(error)
                continue
            if experiment is not None:
                trial.set_user_attr(DIRECTORY, directory)
                return experiment, typed, place
        raise self._failed(trial, problem or f"{places[-1]} holds another run; move it away")

    def _places(self, trial: FrozenTrial) -> list[str]:
        """Where a trial may go: where it was when it was cut off, unless somebody may be writing there yet; or anew."""
        anew, former = f"{TRIALS}/{trial.number:04d}", place_of(trial)
        if former is None or former == anew or status_of(peek(self.memory.directory / former)) == "running":
            return [anew]
        return [former, anew]

    def _follow(self, trial: Trial, number: int, known: Collection[int], trainer: Trainer) -> None:
        """Take a trial's figures and answer whether to end it, until its process has ended."""
        taken_over = False
        while not isinstance(message := trainer.line.recv(), Ended):
            assert isinstance(message, Told)
            try:
                if message.epochs not in known:  # else it was told before the trial was cut off
                    trial.report(message.value, message.epochs)
                end = self._watched is not None and trial.should_prune()
            except UpdateFinishedTrialError:  # another worker took us for dead; ended here it would count as pruned
                end, taken_over = False, True
            trainer.line.send(end)
            self._progress.epoch(number, message.epochs, message.value)
        if taken_over:
            raise UpdateFinishedTrialError
        if message.how == "stuck":  # the next trials would meet the same full disk
            self._give_up(message.reason)
        if message.how in ("left", "stuck"):
            trial.set_user_attr(LEFT, True)
        if message.how in ("left", "stuck", "died"):
            raise TrialCutOff(message.reason if message.how == "died" else "")
        if message.how == "failed":
            record = peek(self.memory.directory / str(trial.user_attrs[DIRECTORY]))
            if record.status != "failed":  # there is none, or an earlier start's
                raise self._failed(trial, message.reason)

    def _outcome(self, trial: Trial, place: Path) -> float | tuple[float, ...]:
        """What a trial's record says."""
        record = peek(place)
        for name, value in (("epochs", record.epochs), ("steps", record.steps), ("seconds", record.seconds.get("fit"))):
            trial.set_user_attr(name, value)
        if (place / NONFINITE).exists():  # such values are hopeless, and the sampler should know it
            trial.set_user_attr(REASON, str(record.error))
            raise TrialPruned
        if record.status == "pruned":
            raise TrialPruned
        if record.status != "done":
            raise self._failed(trial, record.error or f"its record says {record.status}")
        figures = record.figures()
        found = [figures.get(name, math.nan) for name in self.tune.objective]
        numbers = [float(value) for value in found if math.isfinite(value)]
        if len(numbers) < len(found):
            raise self._failed(trial, f"it has no {', '.join(self.tune.objective)} that is a number")
        return numbers[0] if len(numbers) == 1 else tuple(numbers)

    def _failed(self, trial: Trial, reason: str) -> TrialFailed:
        trial.set_user_attr(REASON, reason)
        return TrialFailed(reason)
