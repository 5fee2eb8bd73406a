"""What a search shows while it runs: a line for each trial that has ended, and a bar with those that run."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from digits.tuning.results import STATES, Objective, setting_text
from digits.tuning.space import Space
from digits.tuning.storage import number_of

log = logging.getLogger(__name__)

WIDTH = 12
"""Characters of a parameter's column, or of its name where that is longer; longer values are cut."""


class Progress:
    """The table of a search, row by row as its trials end; safe to be called by several threads."""

    def __init__(self, space: Space, objectives: Sequence[Objective]) -> None:
        self._space, self._objectives = space, objectives
        self._lock = threading.Lock()
        self._running: dict[int, str] = {}
        self._begun, self._before, self._finished, self._most = time.monotonic(), 0, 0, 0
        self._bar: tqdm[None] | None = None
        self._headed = False

    def begin(self, finished: int, most: int) -> None:
        """Say how many trials there are already, and how many there will be."""
        self._begun, self._before, self._finished, self._most = time.monotonic(), finished, finished, most
        bar = "{l_bar}{bar}| {n_fmt}/{total_fmt} trials{postfix}"
        self._bar = tqdm(total=most, initial=finished, bar_format=bar, disable=not sys.stderr.isatty(), leave=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def epoch(self, number: int, epochs: int, value: float) -> None:
        """Say how far a trial is."""
        with self._lock:
            self._running[number] = f"trial {number}: epoch {epochs} {self._objectives[0].text(value)}"
            self._show_running()

    def cut_off(self, number: int, why: str) -> None:
        """A trial has left and is to be begun again; `why` is empty where it was asked to."""
        with self._lock:
            self._running.pop(number, None)
            if why:
                self.say(f"{number:>5}  cut off: {why}")
            self._show_running()

    def ended(self, trial: FrozenTrial, best: FrozenTrial | None, finished: int) -> None:
        """A row for a trial that has ended; `finished` counts those of other workers too."""
        with self._lock:
            self._running.pop(number_of(trial), None)
            self._finished = finished
            if not self._headed:
                names = [objective.name for objective in self._objectives]
                self.say(self._row("trial", "", *names, "best", "epochs", "left", *self._space))
                self._headed = True
            values = [aim.text(value) for aim, value in zip(self._objectives, trial.values or [], strict=False)]
            values += ["–"] * (len(self._objectives) - len(values))
            lead = "–" if best is None else "front" if len(values) > 1 else self._objectives[0].text(best.values[0])
            parameters = [setting_text(trial.params[name]) if name in trial.params else "" for name in self._space]
            epochs = "–" if (epochs := trial.user_attrs.get("epochs")) is None else str(epochs)
            state = STATES[trial.state]
            self.say(self._row(str(number_of(trial)), state, *values, lead, epochs, self._left(), *parameters))
            if trial.state == TrialState.FAIL and "reason" in trial.user_attrs:
                self.say(f"       {str(trial.user_attrs['reason']).splitlines()[0]}")
            if self._bar is not None:
                self._bar.n = min(finished, self._most)
            self._show_running()

    def say(self, text: str) -> None:
        """A line above the bar."""
        with tqdm.external_write_mode():
            log.info("%s", text)

    def _show_running(self) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(self._running.values()))

    def _row(self, number: str, state: str, *cells: str) -> str:
        widths = [max(len(objective.name), 9) for objective in self._objectives] + [9, 6, 8]
        widths += [max(len(name), WIDTH) for name in self._space]
        pairs = zip(cells, widths, strict=True)
        return f"{number:>5}  {state:<8}" + "".join(f"  {cell[:width]:>{width}}" for cell, width in pairs).rstrip()

    def _left(self) -> str:
        """What the rest will take at the pace so far."""
        done = self._finished - self._before
        if not done:
            return "–"
        seconds = (time.monotonic() - self._begun) / done * max(self._most - self._finished, 0)
        return str(timedelta(seconds=round(seconds)))
