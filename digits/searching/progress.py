"""What a search shows while it runs: a line for each trial that has ended, and a bar with those that run."""

from __future__ import annotations

import logging
import sys
import threading
import time

from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from digits.searching.space import Space
from digits.searching.study import number_of

log = logging.getLogger(__name__)

NAMES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
WIDTH = 12
"""Characters of a parameter's column, or of its name where that is longer; longer values are cut."""


class Progress:
    """The table of a search, row by row as its trials end; safe to be called by several threads."""

    def __init__(self, space: Space, objective: list[str]) -> None:
        self._space, self._objective = space, objective
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
            self._running[number] = f"trial {number}: epoch {epochs} {figure(self._objective[0], value)}"
            self._show_running()

    def cut_off(self, number: int) -> None:
        """A trial has left, and is to be begun again."""
        with self._lock:
            self._running.pop(number, None)
            self._show_running()

    def ended(self, trial: FrozenTrial, best: FrozenTrial | None, finished: int) -> None:
        """A row for a trial that has ended; `finished` counts those of other workers too."""
        with self._lock:
            self._running.pop(number_of(trial), None)
            self._finished = finished
            if not self._headed:
                self.say(self._row("trial", "", *self._objective, "best", "epochs", "left", *self._space))
                self._headed = True
            values = [figure(name, value) for name, value in zip(self._objective, trial.values or [], strict=False)]
            values += ["–"] * (len(self._objective) - len(values))
            lead = "front" if len(self._objective) > 1 else "–"
            if best is not None and best.values:
                lead = figure(self._objective[0], best.values[0])
            parameters = [shown(trial.params.get(name)) if name in trial.params else "" for name in self._space]
            epochs = str(trial.user_attrs.get("epochs", "–"))
            state = NAMES.get(trial.state, trial.state.name.lower())
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
        widths = [max(len(name), 7) for name in self._objective] + [7, 6, 8]
        widths += [max(len(name), WIDTH) for name in self._space]
        pairs = zip(cells, widths, strict=True)
        return f"{number:>5}  {state:<7}" + "".join(f"  {cell[:width]:>{width}}" for cell, width in pairs).rstrip()

    def _left(self) -> str:
        """What the rest will take at the pace so far."""
        done = self._finished - self._before
        if not done:
            return "–"
        seconds = (time.monotonic() - self._begun) / done * max(self._most - self._finished, 0)
        return f"{seconds // 3600:.0f}:{seconds % 3600 // 60:02.0f}:{seconds % 60:02.0f}"


def figure(name: str, value: float) -> str:
    """An objective's value as it is printed."""
    if name.endswith("accuracy"):
        return f"{value:.2%}"
    return f"{value:,.0f}" if name in ("parameters", "images_per_second") else f"{value:.4g}"


def shown(value: object) -> str:
    """A parameter's value, short."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
