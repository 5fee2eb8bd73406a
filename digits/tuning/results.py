"""The results of a search so far, as plain data: its trials, ranked, counted and compared. No torch.

A study may lack anything: waiting trials have no parameters, killed ones no reason, a study made by another program no
definition. What is missing is omitted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from digits.config.files import shown
from digits.config.task import CLASSIFICATION, Task, task_from
from digits.runs.layout import RunError
from digits.tuning.storage import counted, is_cut_off, number_of

Setting: TypeAlias = bool | int | float | str | None  # a parameter's value; a list is written as a string

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
CUT_OFF = "interrupted"
"""The state of a trial that will be retried: its process, its machine or its search ended before it did."""

ORDER = (*STATES.values(), CUT_OFF)


@dataclass(frozen=True)
class Objective:
    """An objective of a search."""

    name: str
    maximize: bool
    task: Task = CLASSIFICATION

    @classmethod
    def named(cls, name: str, task: Task = CLASSIFICATION) -> Objective:
        """The objective of this name."""
        return cls(name, task.better(name) == "max", task)

    @property
    def fraction(self) -> bool:
        """Whether it is a fraction, printed as a percentage."""
        return self.task.is_fraction(self.name)

    def badness(self, value: float) -> float:
        """The sort key of a value: the lowest is the best; NaN is the worst."""
        if math.isnan(value):
            return math.inf
        return -value if self.maximize else value

    def text(self, value: float) -> str:
        """A value as it is printed."""
        if self.fraction:
            return f"{100 * value:.2f} %"
        if abs(value) < 1e15 and (abs(value) >= 10_000 or float(value).is_integer()):
            return f"{value:,.0f}"
        return f"{value:.4f}" if 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def directions(names: Iterable[str], task: Task) -> list[Literal["maximize", "minimize"]]:
    """Optuna's direction of each objective."""
    return ["maximize" if task.better(name) == "max" else "minimize" for name in names]


@dataclass(frozen=True)
class Trial:
    """A trial in any state."""

    number: int
    state: str
    settings: Mapping[str, Setting]
    values: tuple[float, ...]  # one for each objective if it is complete, else none
    curve: Mapping[int, float]  # epoch, from 0: the first objective
    epochs: int
    max_epochs: int  # that it would have trained without pruning; 0 if unknown
    seconds: float | None
    overrides: tuple[str, ...]
    directory: str | None
    reason: str

    @property
    def last(self) -> float:
        """The latest value of the first objective; NaN without one."""
        return self.curve[max(self.curve)] if self.curve else math.nan

    @property
    def finite(self) -> bool:
        """Whether it is complete, with finite values."""
        return bool(self.values) and all(map(math.isfinite, self.values))


@dataclass(frozen=True)
class Span:
    """The domain of a parameter: choices, or a range."""

    low: float
    high: float
    log: bool
    whole: bool
    choices: tuple[str, ...] = ()

    @property
    def constant(self) -> bool:
        """Whether there is only one value."""
        return len(self.choices) == 1 or (not self.choices and self.low == self.high)

    def merged(self, other: Span) -> Span:
        """The union of both: trials may have different ranges of a parameter."""
        choices = tuple(dict.fromkeys((*self.choices, *other.choices)))
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Span(low, high, self.log and other.log, self.whole and other.whole, choices)


@dataclass(frozen=True)
class Outcome:
    """A search: its objectives, its space, and its trials, without those that have a retry."""

    name: str
    objectives: tuple[Objective, ...]
    spans: Mapping[str, Span]
    keys: Mapping[str, str]  # each parameter's key in the configuration
    trials: tuple[Trial, ...]
    base: tuple[str, ...]  # overrides that all trials share
    tested: int | None
    test: Mapping[str, float]
    task: Task

    def ranked(self, objective: int = 0) -> list[Trial]:
        """All trials, the best first: complete ones by value, then pruned ones by their epochs, then the others."""
        aim = self.objectives[objective]

        def key(trial: Trial) -> tuple[int, float, float, int]:
            if trial.values:
                return 0, aim.badness(trial.values[objective]), 0.0, trial.number
            if trial.state == "pruned":
                return 1, -trial.epochs, self.objectives[0].badness(trial.last), trial.number
            return 2 + ORDER.index(trial.state), 0.0, 0.0, trial.number

        return sorted(self.trials, key=key)

    def best(self, objective: int = 0) -> Trial | None:
        """The complete trial with the best value."""
        return next((trial for trial in self.ranked(objective) if trial.finite), None)

    @property
    def winner(self) -> Trial | None:
        """The tested trial, else the best one by the first objective."""
        return next((trial for trial in self.trials if trial.number == self.tested), None) or self.best()

    @property
    def front(self) -> list[Trial]:
        """The complete trials that no other dominates (the Pareto front), best first.

        A dominating trial comes earlier in lexicographic order, and a dominated trial is dominated by one of the front.
        """
        found: list[tuple[tuple[float, ...], Trial]] = []
        costs = [(self._costs(trial), trial.number, trial) for trial in self.trials if trial.finite]
        for cost, _, trial in sorted(costs, key=lambda item: item[:2]):
            if not any(all(a <= b for a, b in zip(best, cost, strict=True)) and best != cost for best, _ in found):
                found.append((cost, trial))
        return [trial for _, trial in found]

    def _costs(self, trial: Trial) -> tuple[float, ...]:
        return tuple(aim.badness(value) for aim, value in zip(self.objectives, trial.values, strict=True))

    @property
    def counts(self) -> dict[str, int]:
        """The number of trials in each state, in the order of the states, without empty states."""
        found = Counter(trial.state for trial in self.trials)
        return {state: found[state] for state in ORDER if found[state]}

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs of the complete and pruned trials: those trained, and those without pruning.

        A trial that diverged (pruned with a reason) counts the same in both: it would not have trained further.
        """
        over = [trial for trial in self.trials if trial.state in ("complete", "pruned")]
        whole = (max(t.epochs, t.max_epochs) if t.state == "pruned" and not t.reason else t.epochs for t in over)
        return sum(trial.epochs for trial in over), sum(whole)

    def command(self, trial: Trial) -> list[str]:
        """The command that trains a trial's settings again."""
        own = {override.split("=", 1)[0].lstrip("+") for override in trial.overrides}
        shared = [override for override in self.base if override.split("=", 1)[0].lstrip("+") not in own]
        # trials have no early stopping unless the search's overrides ask for it
        callbacks = [] if any(override.startswith("callbacks=") for override in shared) else ["callbacks=trial"]
        return ["python", "-m", "digits.train", *callbacks, *shared, *trial.overrides]


def outcome_of(study: optuna.Study) -> Outcome:
    """The outcome of a study. Raises RunError if its definition has a damaged task."""
    definition, test = study.user_attrs.get("definition"), study.user_attrs.get("test")
    definition = definition if isinstance(definition, dict) else {}
    try:
        task = task_from(definition.get("task"))
    except ValueError as error:
        raise RunError(f"the search {shown(study.study_name)} is damaged: its {error}") from None
    test = test if isinstance(test, dict) else {}
    names = _texts(definition.get("objective"))
    if len(names) != len(study.directions):
        several = len(study.directions) > 1
        names = [f"objective {i + 1}" if several else "objective" for i in range(len(study.directions))]
    space = definition.get("space")
    space = space if isinstance(space, dict) else {}
    trials = study.get_trials(deepcopy=False)
    trials = counted(trials)
    max_epochs = definition.get("max_epochs")
    spans = _spans(trials)
    order = [name for name in map(shown, space) if name in spans]
    return Outcome(
        shown(study.study_name),
        tuple(
            Objective(name, direction == optuna.study.StudyDirection.MAXIMIZE, task)
            for name, direction in zip(names, study.directions, strict=True)
        ),
        {name: spans[name] for name in dict.fromkeys((*order, *spans))},
        {shown(name): shown(part["key"]) for name, part in space.items() if isinstance(part, dict) and "key" in part},
        tuple(_trial(trial, max_epochs if isinstance(max_epochs, int) else 0) for trial in trials),
        tuple(_texts(definition.get("base"))),
        test["trial"] if isinstance(test.get("trial"), int) else None,
        {str(name): float(value) for name, value in test.items() if name != "trial" and isinstance(value, int | float)},
        task,
    )


def _trial(trial: FrozenTrial, max_epochs: int) -> Trial:
    said = trial.user_attrs
    overrides = tuple(_texts(said.get("overrides")))
    own = [override.partition("=")[2] for override in overrides if override.startswith("trainer.max_epochs=")]
    epochs, seconds, directory = said.get("epochs"), said.get("seconds"), said.get("directory")
    curve = {step - 1: float(value) for step, value in sorted(trial.intermediate_values.items())}
    return Trial(
        number=number_of(trial),
        state=CUT_OFF if is_cut_off(trial) else STATES[trial.state],
        settings={shown(name): _setting(value) for name, value in trial.params.items()},
        values=tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
        curve=curve,
        epochs=epochs if isinstance(epochs, int) else max(curve, default=-1) + 1,
        max_epochs=int(own[-1]) if own and own[-1].isdecimal() else max_epochs,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        overrides=overrides,
        directory=shown(directory) if isinstance(directory, str) else None,
        reason=" ".join(shown(str(said.get("reason") or "")).split()),
    )


def _spans(trials: list[FrozenTrial]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                texts = tuple(setting_text(_setting(choice)) for choice in distribution.choices)
                span = Span(math.inf, -math.inf, log=False, whole=False, choices=texts)
            elif isinstance(distribution, FloatDistribution | IntDistribution):
                whole = isinstance(distribution, IntDistribution)
                span = Span(distribution.low, distribution.high, distribution.log, whole)
            else:
                continue
            found[shown(name)] = found[shown(name)].merged(span) if shown(name) in found else span
    return found


def setting_text(setting: Setting) -> str:
    """A parameter's value for printing: as typed in an override, to four digits."""
    if isinstance(setting, bool) or setting is None:
        return {True: "true", False: "false", None: "null"}[setting]
    return f"{setting:.4g}" if isinstance(setting, float) else str(setting)


def _setting(value: object) -> Setting:
    return value if value is None or isinstance(value, bool | int | float) else shown(str(value))


def _list(value: object) -> list[object]:
    return [*value] if isinstance(value, list | tuple) else []


def _texts(value: object) -> list[str]:
    return [shown(str(part)) for part in _list(value)]
