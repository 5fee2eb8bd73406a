"""Overrides with a space in them, and other words for none of a group."""

from __future__ import annotations

import shlex

import pytest

from digits.config.faults import ConfigError
from digits.hydra_app.typed import check_nothing, check_spaces


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["model.hidden=[512,", "512]"], ["model.hidden=[512,512]"]),
        (["model.hidden=[512", "512]"], ["model.hidden=[512,512]"]),
        (["model.hidden=[", "512", "]"], ["model.hidden=[512]"]),
        (["model.stages=[[32],", "[64,", "64]]", "seed=1"], ["model.stages=[[32],[64,64]]", "seed=1"]),
        (["seed=0,", "1,", "2"], ["seed=0,1,2"]),
        (["seed=0", ",1"], ["seed=0,1"]),
        (["optimizer.lr", "0.1"], ["optimizer.lr=0.1"]),
        (["optimizer.lr=", "0.1"], ["optimizer.lr=0.1"]),
        (["optimizer.lr", "=0.1"], ["optimizer.lr=0.1"]),
        (["optimizer.lr", "=", "0.1", "~callbacks.dashboard"], ["optimizer.lr=0.1", "~callbacks.dashboard"]),
        (["optimizer.lr = 0.1"], ["optimizer.lr=0.1"]),
        (["+trainer.max_time", "{hours:", "1,", "minutes:", "2}"], ["+trainer.max_time={hours:1,minutes:2}"]),
        (["data.root=my", "2nd/folder"], ["data.root=my 2nd/folder"]),
    ],
)
def test_a_divided_override_is_told_with_the_command(typed: list[str], meant: list[str]) -> None:
    with pytest.raises(ConfigError) as told:
        check_spaces(["model=mlp", *typed], ["-m"], "train")
    (fault,) = told.value.faults
    command = fault.problem.partition("python -m digits.train ")[2]
    assert shlex.split(command) == ["model=mlp", *meant, "-m"]


@pytest.mark.parametrize("bare", ["optimizer.lr", "folders"])
def test_an_argument_without_a_value_is_told(bare: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{bare} is no KEY=VALUE"):
        check_spaces(["data.root=my", bare], [], "train")


@pytest.mark.parametrize(
    "fine",
    ["model.hidden=[512, 512]", "seed=0, 1", "data.root=my folder", "~callbacks.dashboard", "data.root=", "a@b=c"],
)
def test_what_hydra_reads_is_left_to_it(fine: str) -> None:
    check_spaces([fine, "seed=1"], [], "train")


@pytest.mark.parametrize("group", ["callbacks", "logger", "augment", "pruner"])
@pytest.mark.parametrize("word", ["{}=null", "{}=[]", "{}=false", "{}=False", "{}=", "~{}", "{}=null,none"])
def test_none_of_a_group_has_one_name(group: str, word: str) -> None:
    with pytest.raises(ConfigError, match=f"^{group}: .*take {group}=none"):
        check_nothing([word.format(group)])


@pytest.mark.parametrize(
    "fine", ["callbacks=none", "~callbacks.dashboard", "experiment=null", "resume=null", "test=false"]
)
def test_nothing_else_is_taken_for_it(fine: str) -> None:
    check_nothing([fine])
