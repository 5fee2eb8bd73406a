"""Every key that a search adds to an experiment: its type, its range and its meaning. The values are in `conf/`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from digits.config.task import CLASSIFICATION, Task
from digits.config.types import Count, Name, Section

Choice = bool | int | float | str | None | list[object]  # of a categorical parameter: anything typed after `key=`

KEY = r"^\+?[A-Za-z_][\w.@/]*$"


class Parameter(Section):
    """One dimension of a search space; its name is a column of the tables and an axis of the plots."""

    key: Annotated[str, Field(pattern=KEY)] = Field(description="the key of the configuration that it sets")
    when: dict[str, Choice] = Field(
        default={}, description="drawn only where an earlier parameter has this value, or one of a list"
    )


class Float(Parameter):
    """A number in a range."""

    type: Literal["float"]
    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(default=False, description="draw on a logarithmic scale")
    step: Annotated[float, Field(gt=0)] | None = Field(default=None, description="distance between two values")

    @model_validator(mode="after")
    def _range(self) -> Float:
        _check_range(self.low, self.high, self.step, log=self.log)
        return self


class Int(Parameter):
    """A whole number in a range, both ends included."""

    type: Literal["int"]
    low: int = Field(description="smallest value")
    high: int = Field(description="largest value")
    log: bool = Field(default=False, description="draw on a logarithmic scale")
    step: Count = Field(default=1, description="distance between two values")

    @model_validator(mode="after")
    def _range(self) -> Int:
        _check_range(self.low, self.high, None if self.step == 1 else self.step, log=self.log)
        return self


class Categorical(Parameter):
    """One of several values, or one choice of a group."""

    type: Literal["categorical"]
    choices: Annotated[list[Choice], Field(min_length=1)] = Field(description="the values")

    @model_validator(mode="after")
    def _distinct(self) -> Categorical:
        texts = [repr(choice) for choice in self.choices]
        if len(set(texts)) < len(texts):
            raise ValueError("names a choice twice; name each once")
        return self


AnyParameter = Annotated[Float | Int | Categorical, Field(discriminator="type")]


class Tune(Section):
    """`tune`: how the space is searched."""

    name: Annotated[str, Field(pattern=r"^[\w][\w.,=+@-]{0,99}$")] = Field(
        description="name of the search: letters, digits and .,=+@-_"
    )
    trials: Count = Field(description="trials in all, including those of earlier starts and of other machines")
    workers: Count = Field(description="trials in parallel in this command")
    storage: str | None = Field(
        description="postgresql://USER@HOST/DATABASE that machines share; null: a file in the search's directory"
    )
    objective: Annotated[list[Name], Field(min_length=1)] = Field(
        description="metrics to optimize; several: their Pareto front"
    )
    keep: Count = Field(description="number of best trials whose weights and checkpoints are kept")
    heartbeat: Count = Field(description="seconds between a trial's heartbeats; after three missing, it is retried")
    retries: int = Field(ge=0, description="how often a trial is retried after its process or machine died")
    seed: int = Field(ge=0, lt=2**32, description="seed of the sampler")
    test: bool = Field(description="test the best trial once, when all are done")

    @field_validator("storage")
    @classmethod
    def _database(cls, storage: str | None) -> str | None:
        if storage is not None and not re.match(r"postgres(ql)?(\+psycopg)?://", storage):
            raise ValueError("is not a PostgreSQL address")  # without the value, which may hold a password
        return storage

    @field_validator("objective")
    @classmethod
    def _objectives(cls, objective: list[str], info: ValidationInfo) -> list[str]:
        """Allow only objectives of the task, which is the context of the validation."""
        task: Task = info.context or CLASSIFICATION
        known = task.objectives
        for name in objective:
            if name not in known:
                why = "; the test set is for the winner alone" if name.startswith("test/") else ""
                raise ValueError(f"can't be {name}{why}; there is {', '.join(known)}")
        if len(set(objective)) < len(objective):
            raise ValueError("names a metric twice; name each once")
        return objective


SECTIONS = ("tune", "search_space", "sampler", "pruner")
"""Sections of `conf/tune.yaml` that are not part of an experiment, so not of a trial's own configuration."""


def _check_range(low: float, high: float, step: float | None, *, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low is {low} and high {high}; give a high above low, or fix the key by an override")
    if log and low <= 0:
        raise ValueError(f"log: true needs low > 0, got {low}")
    if log and step is not None:
        raise ValueError("log and step exclude each other; leave out one of them")
    if step is not None and step > high - low:
        raise ValueError(f"step is {step}, larger than the range from {low} to {high}; give a smaller one")
