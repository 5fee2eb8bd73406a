"""A search space: its parameters, validated, drawn by a trial, and turned into overrides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Protocol, cast

from pydantic import ValidationError

from digits.config.faults import Fault, explain, nearest
from digits.config.tune import AnyParameter, Categorical, Choice, Float, Int
from digits.config.types import Value
from digits.runs.schema import TrialOf

Drawn = bool | int | float | str | None  # a value as a storage keeps it; a list is kept as its text

Space = dict[str, AnyParameter]

SPOKEN = {"true", "false", "null", "nan", "inf", "on", "off", "yes", "no"}  # words that Hydra or YAML don't read as str

TYPES: dict[Value, type[Float] | type[Int] | type[Categorical]] = {
    "float": Float,
    "int": Int,
    "categorical": Categorical,
}


class Draws(Protocol):
    """The methods of an Optuna trial that a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """A number."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """A whole number."""

    def suggest_categorical(self, name: str, choices: list[Drawn]) -> Drawn:
        """One of several."""


def read_space(section: object) -> tuple[Space, list[Fault]]:
    """The parameters of a section `search_space`, and all its faults."""
    space: Space = {}
    faults: list[Fault] = []
    if not isinstance(section, dict) or not section:
        return space, [Fault("search_space", "has no parameter; name a file of conf/search_space, or write one")]
    for name, entry in section.items():
        key = f"search_space.{name}"
        schema = TYPES.get(entry.get("type") if isinstance(entry, dict) else None)
        if schema is None:
            kinds = ", ".join(map(str, TYPES))
            faults.append(Fault(f"{key}.type", f"has to be one of {kinds}; the other keys follow from it"))
            continue
        try:
            parameter = schema.model_validate(entry)
        except ValidationError as error:
            faults += explain(schema, error, prefix=key)
        else:
            problems = list(_check_conditions(parameter, space))
            faults += [Fault(f"{key}.when", problem) for problem in problems]
            if not problems:
                space[str(name)] = parameter
    return space, faults


def _check_conditions(parameter: AnyParameter, before: Space) -> Iterator[str]:
    for name, wanted in parameter.when.items():
        other = before.get(name)
        if other is None:
            yield f"names {name}, which is not defined above{nearest(name, list(before)) if before else ''}"
        elif not isinstance(other, Categorical):
            yield f"names {name}, which is a range; only a categorical parameter can be a condition"
        else:
            for value in _options(wanted, other):
                if value not in other.choices:
                    yield f"is about {name}={typed(value)}, which is not one of its choices {typed(other.choices)}"


def _options(wanted: Choice, other: Categorical) -> list[Choice]:
    """The values that a condition allows: a list means any of them, unless it is itself a choice."""
    if isinstance(wanted, list) and wanted not in other.choices:
        return cast(list[Choice], wanted)
    return [wanted]


def is_wanted(parameter: AnyParameter, values: Mapping[str, Drawn], space: Space) -> bool:
    """Whether a parameter is active, given the values of those above it."""
    for name, wanted in parameter.when.items():
        allowed = [kept(option) for option in _options(wanted, cast(Categorical, space[name]))]
        if name not in values or values[name] not in allowed:
            return False
    return True


def draw(space: Space, trial: Draws) -> dict[str, Drawn]:
    """A value for each active parameter, given those above it."""
    values: dict[str, Drawn] = {}
    for name, parameter in space.items():
        if not is_wanted(parameter, values, space):
            continue
        if isinstance(parameter, Float):
            values[name] = trial.suggest_float(
                name, parameter.low, parameter.high, step=parameter.step, log=parameter.log
            )
        elif isinstance(parameter, Int):
            values[name] = trial.suggest_int(
                name, parameter.low, parameter.high, step=parameter.step, log=parameter.log
            )
        else:
            values[name] = trial.suggest_categorical(name, [kept(choice) for choice in parameter.choices])
    return values


def overrides(space: Space, values: Mapping[str, Drawn]) -> list[str]:
    """The overrides that set these values."""
    return [f"{space[name].key}={typed(_original(space[name], value))}" for name, value in values.items()]


def trial_of(search: str, number: int, space: Space, values: Mapping[str, Drawn]) -> TrialOf:
    """The record of a trial: each parameter of the space, None if the trial does not have it, and which are numbers."""
    return TrialOf(
        search=search,
        number=number,
        parameters={name: values.get(name) for name in space},
        numbers=[name for name, parameter in space.items() if not isinstance(parameter, Categorical)],
    )


def _original(parameter: AnyParameter, value: Drawn) -> Choice:
    """The value as the space defines it: a list, if its text was stored."""
    if not isinstance(parameter, Categorical):
        return value
    same = [choice for choice in parameter.choices if kept(choice) == value and isinstance(choice, list | type(value))]
    return same[0] if same else value


def kept(choice: Choice) -> Drawn:
    """A choice as a storage keeps it."""
    return typed(choice) if isinstance(choice, list) else choice


def typed(value: object) -> str:
    """A value in Hydra's override grammar."""
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str) and (not re.fullmatch(r"[A-Za-z_][\w.-]*", value) or value.lower() in SPOKEN):
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))
    return str(value)


# ---- Its edges ----------------------------------------------------------------------------------


def edges(space: Space) -> Iterator[tuple[str, dict[str, Drawn]]]:
    """Trials at the edges: each parameter at its extremes, or at each choice, under each condition that activates it.

    The others are at their lowest values and first choices. All that a trial can draw of a parameter lies between its
    extremes, so these trials reveal a range that the schema rejects, or a key that only another choice of a group has.
    """
    for name, parameter in space.items():
        extremes = (
            [kept(choice) for choice in parameter.choices]
            if isinstance(parameter, Categorical)
            else [parameter.low, parameter.high]
        )
        for conditions in _ways(parameter, space):
            for value in extremes:
                values = _completed(space, conditions | {name: value})
                if name in values:
                    yield name, values


def _ways(parameter: AnyParameter, space: Space) -> list[dict[str, Drawn]]:
    """Each combination of choices above that activates a parameter, contradictory ones included."""
    ways: list[dict[str, Drawn]] = [{}]
    for name, wanted in parameter.when.items():
        other = cast(Categorical, space[name])
        options = [{name: kept(option)} for option in _options(wanted, other)]
        ways = [way | above | option for way in ways for above in _ways(other, space) for option in options]
    return ways


def _completed(space: Space, fixed: Mapping[str, Drawn]) -> dict[str, Drawn]:
    """A trial with these values, and the lowest value or first choice of every other active parameter."""
    values: dict[str, Drawn] = {}
    for name, parameter in space.items():
        if is_wanted(parameter, values, space):
            low = kept(parameter.choices[0]) if isinstance(parameter, Categorical) else parameter.low
            values[name] = fixed.get(name, low)
    return values


def can_meet(space: Space, one: str, other: str) -> bool:
    """Whether a trial can have both parameters: not if they require different choices of a third."""
    first, second = space[one].when, space[other].when
    for name in first.keys() & second.keys():
        above = cast(Categorical, space[name])
        if not {kept(option) for option in _options(first[name], above)} & {
            kept(option) for option in _options(second[name], above)
        }:
            return False
    return True


def grid(space: Space) -> tuple[dict[str, list[Drawn]], list[Fault]]:
    """All values of each parameter, for a sampler that tries every combination; and faults where that is impossible."""
    values: dict[str, list[Drawn]] = {}
    faults = []
    for name, parameter in space.items():
        key = f"search_space.{name}"
        if parameter.when:
            faults.append(Fault(f"{key}.when", "is not possible with sampler=grid, which tries every combination"))
        if isinstance(parameter, Categorical):
            values[name] = [kept(choice) for choice in parameter.choices]
        elif isinstance(parameter, Int) and not parameter.log:
            values[name] = list(range(parameter.low, parameter.high + 1, parameter.step))
        elif isinstance(parameter, Float) and parameter.step is not None:
            # in decimals, as Optuna does: with floats 0.1 + 2 * 0.1 is beyond a range up to 0.3
            low, high, step = (Decimal(str(number)) for number in (parameter.low, parameter.high, parameter.step))
            values[name] = [float(low + i * step) for i in range(int((high - low) / step) + 1)]
        else:
            faults.append(Fault(key, "is continuous; sampler=grid needs a step or type: categorical"))
    return values, faults
