"""A search that was checked and can be made. No Optuna, so that checking is quick."""

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
    """Everything that a search needs to know."""

    tune: Tune
    space: Space
    sampler: Target
    pruner: Target
    base: Experiment  # what all trials share
    asked: list[str]  # overrides of that
    take_up: Callable[[list[str], Path], tuple[Experiment | None, list[str]]]
    """From a trial's own overrides and directory: its Experiment, none where it is done, and all its overrides.

    Raises ConfigError where these values together can't be.
    """
    options: tuple[str, ...] = ()  # --config-dir, without which a command with these overrides would not be read

    @property
    def task(self) -> Task:
        """What the trials are trained to do."""
        return task_of(self.base.task.target)

    @property
    def most(self) -> int:
        """How many trials there will be: a grid may have fewer combinations than were asked for."""
        combinations = math.prod(map(len, grid(self.space)[0].values())) if is_grid(self.sampler) else self.tune.trials
        return min(self.tune.trials, combinations)


def is_grid(sampler: Target) -> bool:
    """Whether this section names the sampler that tries every combination."""
    return sampler.target.endswith(".GridSampler")
