"""Modes that follow what is monitored, and what the absence of a key means."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from digits.config.absent import completed, senseless_modes
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.schema import Experiment
from digits.config.types import Tree

STOPPING = ("callbacks=early_stopping",)
CHECKPOINT = (
    "+callbacks.mine._target_=lightning.pytorch.callbacks.ModelCheckpoint",
    "+callbacks.mine.filename=mine",
)


@pytest.mark.parametrize("target", ["digits.data.ReaderDataModule", "digits.data.PagesDataModule"])
def test_fonts_are_material_by_their_former_name(target: str) -> None:
    data = cast(Tree, completed({"data": {"_target_": target, "fonts": "hands", "pages": 3}})["data"])
    assert data["material"] == "hands"
    assert "fonts" not in data
    assert completed({"data": {"_target_": "mine.Data", "fonts": "hands"}})["data"] == {
        "_target_": "mine.Data", "fonts": "hands",
    }  # fmt: skip


def mode(config: Experiment, name: str) -> object:
    return config.callbacks[name].tree()["mode"]


@pytest.mark.parametrize(
    ("monitor", "wanted"),
    [("val/loss", "min"), ("train/loss", "min"), ("val/accuracy", "max"), ("train/accuracy", "max")],
)
def test_the_mode_follows_the_monitor(experiment: Callable[..., Experiment], monitor: str, wanted: str) -> None:
    stopping = experiment(*STOPPING, f"callbacks.early_stopping.monitor={monitor}")
    assert mode(stopping, "early_stopping") == wanted
    # Lightning's own default is min, which would keep the worst epoch
    assert mode(experiment(*CHECKPOINT, f"+callbacks.mine.monitor={monitor}"), "mine") == wanted
    explicit = experiment(
        *STOPPING, f"callbacks.early_stopping.monitor={monitor}", f"callbacks.early_stopping.mode={wanted}"
    )
    assert mode(explicit, "early_stopping") == wanted


@pytest.mark.parametrize(("monitor", "given"), [("val/loss", "max"), ("val/accuracy", "min"), ("train/loss", "max")])
def test_a_senseless_pair_is_refused(experiment: Callable[..., Experiment], monitor: str, given: str) -> None:
    with pytest.raises(ConfigError, match=r"callbacks\.early_stopping\.mode: is (max|min), but (lower|higher) is"):
        experiment(*STOPPING, f"callbacks.early_stopping.monitor={monitor}", f"callbacks.early_stopping.mode={given}")
    with pytest.raises(ConfigError, match=r"callbacks\.mine\.mode: is"):
        experiment(*CHECKPOINT, f"+callbacks.mine.monitor={monitor}", f"+callbacks.mine.mode={given}")


@pytest.mark.parametrize("given", ["[]", "{a: 1}", "3"])
def test_a_mode_that_is_no_word_is_one_fault(experiment: Callable[..., Experiment], given: str) -> None:
    with pytest.raises(ConfigError, match=r"^callbacks\.early_stopping\.mode: is [^\n]*$"):
        experiment(*STOPPING, f"callbacks.early_stopping.mode={given}")


def test_a_record_keeps_its_senseless_pair(experiment: Callable[..., Experiment]) -> None:
    tree = experiment(*STOPPING, "callbacks.early_stopping.monitor=val/loss").tree()
    cast(Tree, cast(Tree, tree["callbacks"])["early_stopping"])["mode"] = "max"
    assert list(senseless_modes(tree))
    kept = check(tree | {"resume": "outputs/runs/old"})
    assert mode(kept, "early_stopping") == "max"


def test_keys_younger_than_a_record_are_as_they_were(experiment: Callable[..., Experiment]) -> None:
    tree = experiment().tree()
    younger: Tree = {"task": tree["task"], "test_views": 1, "init_from": None, "teachers": []}
    older = {key: value for key, value in tree.items() if key not in younger}
    older["trainer"] = {key: value for key, value in cast(Tree, tree["trainer"]).items() if key != "find_lr"}
    assert completed(older) == tree


@pytest.mark.parametrize("target", ["???", "", "OneCycleLR", "a..b", "3"])
def test_a_target_that_is_no_path_is_one_fault(experiment: Callable[..., Experiment], target: str) -> None:
    with pytest.raises(ConfigError, match=r"^scheduler\._target_: [^\n]*$"):
        experiment(f"scheduler._target_='{target}'")
