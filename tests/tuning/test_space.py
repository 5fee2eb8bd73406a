from __future__ import annotations

import math

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import FloatDistribution

from digits.config.types import Tree
from digits.tuning.space import Drawn, Space, can_meet, draw, edges, grid, overrides, read_space, trial_of, typed

LR: Tree = {"type": "float", "key": "optimizer.lr", "low": 1e-4, "high": 0.1, "log": True}
CHOSEN: Tree = {"type": "categorical", "key": "optimizer", "choices": ["adamw", "sgd"]}
MOMENTUM: Tree = {"type": "float", "key": "optimizer.momentum", "low": 0.5, "high": 0.9, "when": {"chosen": "sgd"}}


def space_of(**entries: Tree) -> Space:
    space, faults = read_space(entries)
    assert not faults, faults
    return space


def faults_of(**entries: object) -> list[str]:
    return [str(fault) for fault in read_space(entries)[1]]


def drawn(space: Space, number: int, sampler: optuna.samplers.BaseSampler) -> list[dict[str, Drawn]]:
    study = optuna.create_study(sampler=sampler)
    found = []
    for _ in range(number):
        trial = study.ask()
        found.append(draw(space, trial))
        study.tell(trial, 0.0)
    return found


def test_drawn_values_lie_in_their_ranges_by_their_kind() -> None:
    space = space_of(
        lr=LR,
        width={"type": "int", "key": "model.width", "low": 16, "high": 64, "step": 16},
        dropout={"type": "float", "key": "model.dropout", "low": 0.0, "high": 0.5},
        batch={"type": "categorical", "key": "data.batch_size", "choices": [64, 256]},
    )
    found = drawn(space, 200, optuna.samplers.RandomSampler(seed=0))
    assert {values["width"] for values in found} == {16, 32, 48, 64}
    assert {values["batch"] for values in found} == {64, 256}
    assert all(0 <= float(str(values["dropout"])) <= 0.5 for values in found)
    exponents = [math.log10(float(str(values["lr"]))) for values in found]
    assert all(-4 <= exponent <= -1 for exponent in exponents)
    # drawn by its exponent: half below the middle one, where a uniform draw would have 3 %
    assert 70 <= sum(exponent < -2.5 for exponent in exponents) <= 130


def test_a_conditional_parameter_is_drawn_only_where_its_condition_holds() -> None:
    space = space_of(chosen=CHOSEN, lr=LR, momentum=MOMENTUM)
    found = drawn(space, 50, optuna.samplers.RandomSampler(seed=1))
    assert {values["chosen"] for values in found} == {"adamw", "sgd"}
    for values in found:
        assert ("momentum" in values) == (values["chosen"] == "sgd")


def test_two_ranges_of_one_key_are_two_parameters() -> None:
    small = LR | {"when": {"chosen": "adamw"}}
    large = LR | {"low": 0.2, "high": 0.9, "when": {"chosen": ["sgd"]}}
    space = space_of(chosen=CHOSEN, small=small, large=large)
    for values in drawn(space, 30, optuna.samplers.RandomSampler(seed=2)):
        key, value = overrides(space, values)[1].split("=")
        assert key == "optimizer.lr"
        assert (float(value) >= 0.2) == (values["chosen"] == "sgd")


@pytest.mark.parametrize(
    ("choices", "texts"),
    [
        ([[[32], [64, 64]], [[16]]], ["[[32],[64,64]]", "[[16]]"]),
        (["none", ["warp", "stroke"]], ["none", "[warp,stroke]"]),
        ([True, None, 3, 0.5], ["true", "null", "3", "0.5"]),
        (["a b", "it's"], ["'a b'", r"'it\'s'"]),
    ],
)
def test_choices_are_typed_so_that_hydra_reads_them_back(choices: list[object], texts: list[str]) -> None:
    space = space_of(x={"type": "categorical", "key": "some.key", "choices": choices})  # type: ignore[dict-item]  # plain data
    values = [values["x"] for name, values in edges(space)]
    typed = [overrides(space, {"x": value})[0] for value in values]
    assert typed == [f"some.key={text}" for text in texts]
    parsed = OverridesParser.create().parse_overrides(typed)
    assert [override.value() for override in parsed] == choices


def test_edges_are_whole_trials_at_the_extremes_of_each_parameter() -> None:
    space = space_of(chosen=CHOSEN, momentum=MOMENTUM)
    assert list(edges(space)) == [
        ("chosen", {"chosen": "adamw"}),
        ("chosen", {"chosen": "sgd", "momentum": 0.5}),
        ("momentum", {"chosen": "sgd", "momentum": 0.5}),
        ("momentum", {"chosen": "sgd", "momentum": 0.9}),
    ]


def test_edges_meet_every_condition_that_a_parameter_is_wanted_for() -> None:
    space = space_of(chosen=CHOSEN, momentum=MOMENTUM | {"when": {"chosen": ["sgd", "adamw"]}})
    assert {values["chosen"] for name, values in edges(space) if name == "momentum"} == {"sgd", "adamw"}


def test_two_parameters_of_one_key_meet_unless_a_condition_keeps_them_apart() -> None:
    space = space_of(
        chosen=CHOSEN,
        a=LR | {"when": {"chosen": "adamw"}},
        b=LR | {"when": {"chosen": ["sgd"]}},
        c=LR | {"when": {"chosen": ["adamw", "sgd"]}},
    )
    assert not can_meet(space, "a", "b")
    assert can_meet(space, "a", "c")
    assert can_meet(space, "b", "c")


@pytest.mark.parametrize("text", ["32", "1e3", "null", "true", "nan", "a,b", ""])
def test_a_string_that_looks_like_something_else_stays_a_string(text: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"some.key={typed(text)}"])
    value = override.value()
    assert str(value) == text
    assert not isinstance(value, bool | int | float | None)


def test_a_trial_has_a_column_for_every_parameter() -> None:
    space = space_of(chosen=CHOSEN, momentum=MOMENTUM)
    trial = trial_of("mine", 3, space, {"chosen": "adamw"})
    assert trial.tree() == {
        "search": "mine",
        "number": 3,
        "parameters": {"chosen": "adamw", "momentum": None},
        "numbers": ["momentum"],
    }


def test_a_grid_has_every_value() -> None:
    space = space_of(
        a={"type": "float", "key": "a.b", "low": 0.1, "high": 0.7, "step": 0.3},
        b={"type": "int", "key": "a.c", "low": 1, "high": 4, "step": 2},
        c={"type": "categorical", "key": "a.d", "choices": ["x", [1]]},
    )
    values, faults = grid(space)
    assert not faults
    assert values["a"] == [0.1, 0.4, 0.7]
    assert values["b"] == [1, 3]
    assert values["c"] == ["x", "[1]"]


def test_a_grid_has_no_value_that_its_range_has_not() -> None:
    (values,) = grid(space_of(a={"type": "float", "key": "a.b", "low": 0.0, "high": 0.3, "step": 0.1}))[0].values()
    assert values == [0.0, 0.1, 0.2, 0.3]
    distribution = FloatDistribution(0.0, 0.3, step=0.1)
    assert all(distribution._contains(value) for value in map(float, values))  # type: ignore[arg-type]  # numbers here


def test_a_grid_needs_an_end_of_values() -> None:
    assert [str(fault) for fault in grid(space_of(chosen=CHOSEN, lr=LR, momentum=MOMENTUM))[1]] == [
        "search_space.lr: is continuous; sampler=grid needs a step or type: categorical",
        "search_space.momentum.when: is not possible with sampler=grid, which tries every combination",
        "search_space.momentum: is continuous; sampler=grid needs a step or type: categorical",
    ]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (LR | {"low": 0}, "x: log: true needs low > 0, got 0.0"),
        (LR | {"low": 0.2}, "x: low is 0.2 and high 0.1; give a high above low, or fix the key by an override"),
        (LR | {"step": 0.1}, "x: log and step exclude each other; leave out one of them"),
        (
            LR | {"log": False, "step": 5},
            "x: step is 5.0, larger than the range from 0.0001 to 0.1; give a smaller one",
        ),
        (LR | {"low": "tiny"}, "x.low: is 'tiny'; input should be a valid number (smallest value)"),
        (LR | {"lo": 1}, "x.lo: no such key; did you mean low?"),
        (CHOSEN | {"choices": []}, "x.choices: is []; list should have at least 1 item"),
        (CHOSEN | {"choices": [1, 1]}, "x: names a choice twice; name each once"),
        ({"key": "optimizer.lr"}, "x.type: has to be one of float, int, categorical; the other keys follow from it"),
        (MOMENTUM, "x.when: names chosen, which is not defined above"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_one_sentence(entry: Tree, fault: str) -> None:
    (found,) = faults_of(x=entry)
    assert found.startswith(f"search_space.{fault}")


def test_a_condition_is_about_a_choice_that_is_there() -> None:
    assert faults_of(chosen=CHOSEN, x=MOMENTUM | {"when": {"chosen": "adam"}}) == [
        "search_space.x.when: is about chosen=adam, which is not one of its choices [adamw,sgd]"
    ]
    assert faults_of(lr=LR, x=MOMENTUM | {"when": {"lr": 0.1}}) == [
        "search_space.x.when: names lr, which is a range; only a categorical parameter can be a condition"
    ]


def test_an_empty_space_is_told() -> None:
    (fault,) = faults_of()
    assert fault == "search_space: has no parameter; name a file of conf/search_space, or write one"
