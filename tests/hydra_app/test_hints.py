"""What was meant: keys that aren't there, overrides with a space in them, other words for none of a group."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from digits.config.faults import ConfigError
from digits.hydra_app.compose import Composer, chosen
from digits.hydra_app.hints import check_nothing, check_spaces, no_such_key
from digits.hydra_app.paths import conf_directory

CASES = [
    (["model=mlp"], "model.hiden", "did you mean hidden?"),
    ([], "model.stage", "did you mean stages?"),
    (["optimizer=sgd"], "optimizer.momntum", "did you mean momentum?"),
    (["scheduler=cosine"], "scheduler.eta", "did you mean eta_min?"),
    (["experiment=mlp_best"], "model.hiden", "did you mean hidden?"),
    (["callbacks=dashboard"], "callbacks.early_stopping.patience", "there is dashboard"),
    ([], "lr", "did you mean optimizer.lr?"),
    ([], "max_epochs", "did you mean trainer.max_epochs?"),
    ([], "patience", "did you mean callbacks.early_stopping.patience?"),
    ([], "num_classes", "did you mean data.num_classes or model.num_classes?"),
    ([], "model.lr", "did you mean optimizer.lr?"),
    ([], "modle.dropout", "did you mean model?"),
]


@pytest.mark.parametrize(("groups", "key", "told"), CASES)
def test_hints_are_of_the_chosen_groups(groups: list[str], key: str, told: str) -> None:
    """In a run, before which Hydra refuses the key, and in the jobs of a sweep and the trials of a search."""
    assert told in no_such_key(key, chosen("train", [*groups, "seed=0,1", f"{key}=1"])).problem
    with initialize_config_dir(conf_directory(), version_base="1.3"), pytest.raises(ConfigError, match=key) as error:
        Composer("train")([*groups, f"{key}=1"])
    assert told in str(error.value)


@pytest.mark.parametrize("command", ["train", "tune"])
def test_a_key_that_stands_in_one_section_is_told_with_it(command: str) -> None:
    """Every one, whatever else is spelt like it."""
    config = chosen(command, [])
    tree = OmegaConf.to_container(config, resolve=False)
    assert isinstance(tree, dict)
    tree.pop("hydra", None)
    paths = [path for path in keys_of(tree) if not path.endswith("_")]
    for path in paths:
        leaf = path.rpartition(".")[2]
        same = [other for other in paths if other.rpartition(".")[2] == leaf]
        if leaf != path and len(same) < 4 and leaf not in tree:
            problem = no_such_key(leaf, config).problem
            assert f"did you mean {' or '.join(same)}?" in problem, problem


def keys_of(tree: object, path: str = "") -> Iterator[str]:
    for name, value in tree.items() if isinstance(tree, dict) else ():
        yield f"{path}{name}"
        yield from keys_of(value, f"{path}{name}.")


def test_a_search_has_keys_of_its_own() -> None:
    assert "did you mean trials?" in no_such_key("tune.trals", chosen("tune", ["model=mlp"])).problem


@pytest.mark.parametrize(
    ("key", "added"),
    [("optimizer.eps", "torch.optim.AdamW"), ("trainer.limit_train_batches", "Lightning's Trainer"), ("model.x", "")],
)
def test_how_an_argument_is_added_where_a_class_has_more(key: str, added: str) -> None:
    problem = no_such_key(key, chosen("train", [])).problem
    assert (f"another argument of {added} is added with +{key}" in problem) == bool(added)


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
    with pytest.raises(ConfigError, match=rf"^{bare} is not KEY=VALUE"):
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
    with pytest.raises(ConfigError, match=f"^{group}: .*to have none: {group}=none"):
        check_nothing([word.format(group)])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("~scheduler", "scheduler=constant, cosine"),
        ("model=", "model=cnn, detector"),
        ("loss=false", "loss=cross_entropy"),
        ("experiment=null", "leave experiment out"),
        ("debug=false", "leave debug out"),
        ("callbacks=[null]", "callbacks=none"),
        ("augment=[warp,null]", "augment=none"),
    ],
)
def test_a_group_that_has_to_be_chosen_is_told_with_its_choices(typed: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(meant)):
        check_nothing([typed])


@pytest.mark.parametrize(
    "fine",
    ["callbacks=none", "~callbacks.dashboard", "resume=null", "test=false", "augment=[warp,stroke]", "model=mlp,cnn"],
)
def test_nothing_else_is_taken_for_it(fine: str) -> None:
    check_nothing([fine])
