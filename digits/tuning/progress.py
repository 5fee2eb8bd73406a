"""The progress of a search, read from its study: a row for each ended trial, and a progress bar."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from digits.tuning.results import STATES, Objective, setting_text
from digits.tuning.space import Space
from digits.tuning.storage import COMMAND, DIED, LEFT, REASON, counted, is_cut_off, number_of

log = logging.getLogger(__name__)

WIDTH = 12  # minimum width of a parameter's column, in characters; a longer name widens it, a longer value is cut


class Progress:
    """The table of a search, printed row by row as this command's trials end."""

    def __init__(self, study: Study, command: str, space: Space, objectives: Sequence[Objective], most: int) -> None:
        self._study, self._command, self._space = study, command, space
        self._objectives, self._most = objectives, most
        self._shown: set[int] = set()
        self._begun, self._before = time.monotonic(), _finished(study.get_trials(deepcopy=False))
        self.finished = self._before  # number of trials, including those of other commands
        self._headed = False
        # tqdm's own lock is shared by all forked processes: a trial killed while holding it would never release it
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0  # no monitor thread: this process forks
        bar = "{l_bar}{bar}| {n_fmt}/{total_fmt} trials{postfix}"
        hidden = not sys.stderr.isatty()
        self._bar: tqdm[None] = tqdm(total=most, initial=self._before, bar_format=bar, disable=hidden, leave=False)

    def show(self) -> None:
        """Print a row for each trial that has ended since the last call, and update the bar."""
        trials = self._study.get_trials(deepcopy=False)
        self.finished = _finished(trials)
        own = [trial for trial in trials if trial.user_attrs.get(COMMAND) == self._command]
        ended = [trial for trial in own if trial.state.is_finished() and trial.number not in self._shown]
        for trial in sorted(ended, key=_end):
            self._shown.add(trial.number)
            if not is_cut_off(trial):
                before = [
                    other for other in trials if other.state == TrialState.COMPLETE and _end(other) <= _end(trial)
                ]
                self._ended(trial, before)
            elif LEFT not in trial.user_attrs:
                why = trial.user_attrs.get(DIED, "its last heartbeat is too old; it will be retried")
                self.say(f"{number_of(trial):>5}  interrupted: {why}")
        running = [trial for trial in own if trial.state == TrialState.RUNNING and trial.intermediate_values]
        self._bar.n = min(self.finished, self._most)
        self._bar.set_postfix_str(", ".join(map(self._epoch, running)))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def _epoch(self, trial: FrozenTrial) -> str:
        epochs, value = max(trial.intermediate_values.items())
        return f"trial {number_of(trial)}: epoch {epochs} {self._objectives[0].text(value)}"

    def _ended(self, trial: FrozenTrial, complete: list[FrozenTrial]) -> None:
        """Print a trial's row; `complete` are the trials to find the best among."""
        if not self._headed:
            names = [objective.name for objective in self._objectives]
            self.say(self._row("trial", "", *names, "best", "epochs", "left", *self._space))
            self._headed = True
        aim, several = self._objectives[0], len(self._objectives) > 1
        values = [aim.text(value) for aim, value in zip(self._objectives, trial.values or [], strict=False)]
        values += ["–"] * (len(self._objectives) - len(values))
        best = min((other.values[0] for other in complete), key=aim.badness, default=None)
        lead = "–" if best is None else "front" if several else aim.text(best)
        parameters = [setting_text(trial.params[name]) if name in trial.params else "" for name in self._space]
        epochs = "–" if (epochs := trial.user_attrs.get("epochs")) is None else str(epochs)
        state = STATES[trial.state]
        self.say(self._row(str(number_of(trial)), state, *values, lead, epochs, self._left(), *parameters))
        if trial.state == TrialState.FAIL:
            self.say(f"       {str(trial.user_attrs[REASON]).splitlines()[0]}")

    def say(self, text: str) -> None:
        """Log a line above the bar."""
        with tqdm.external_write_mode():
            log.info("%s", text)

    def _row(self, number: str, state: str, *cells: str) -> str:
        widths = [max(len(objective.name), 9) for objective in self._objectives] + [9, 6, 8]
        widths += [max(len(name), WIDTH) for name in self._space]
        pairs = zip(cells, widths, strict=True)
        return f"{number:>5}  {state:<8}" + "".join(f"  {cell[:width]:>{width}}" for cell, width in pairs).rstrip()

    def _left(self) -> str:
        """The estimated time left, at the pace so far."""
        done = self.finished - self._before
        if done <= 0:
            return "–"
        seconds = (time.monotonic() - self._begun) / done * max(self._most - self.finished, 0)
        return str(timedelta(seconds=round(seconds)))


def _finished(trials: list[FrozenTrial]) -> int:
    return sum(trial.state.is_finished() and not is_cut_off(trial) for trial in counted(trials))


def _end(trial: FrozenTrial) -> datetime:
    assert trial.datetime_complete is not None  # it has ended
    return trial.datetime_complete
