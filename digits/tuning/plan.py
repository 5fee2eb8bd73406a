"""A validated search. Without Optuna, so that validating is quick."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from digits.config.schema import Experiment
from digits.config.task import Task, task_of
from digits.config.tune import Tune
from digits.config.types import Target
from digits.tuning.space import Space, grid


@dataclass(frozen=True)
class Plan:
    """The settings of a search, validated."""

    tune: Tune
    space: Space
    sampler: Target
    pruner: Target
    base: Experiment  # what all trials share
    asked: list[str]  # overrides of that
    take_up: Callable[[list[str], Path], tuple[Experiment | None, list[str]]]
    """From a trial's own overrides and directory: its Experiment, None if it is done, and all its overrides.

    Raises ConfigError for an invalid combination of values.
    """
    options: tuple[str, ...] = ()  # folders of YAML, without which a command with these overrides would not be read
    trusted: tuple[str, ...] = ()  # packages of the user's own that the command names, those of single trials too

    @property
    def task(self) -> Task:
        """The task of the trials."""
        return task_of(self.base.task.target)

    @property
    def most(self) -> int:
        """The number of trials: `tune.trials`, or fewer if a grid has fewer combinations."""
        combinations = math.prod(map(len, grid(self.space)[0].values())) if is_grid(self.sampler) else self.tune.trials
        return min(self.tune.trials, combinations)


def is_grid(sampler: Target) -> bool:
    """Whether a section names the sampler that tries every combination."""
    return sampler.target.endswith(".GridSampler")
