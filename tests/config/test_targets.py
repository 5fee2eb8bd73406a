"""Targets: gadgets refused, arguments bound before anything is called."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from digits.config.faults import TargetError
from digits.config.instantiate import check_read_back, instantiate, resolve
from digits.config.trust import is_trusted
from digits.config.types import targets_in


def test_instantiate_passes_objects_through_uncopied() -> None:
    weight = nn.Parameter(torch.zeros(3))
    optimizer = instantiate({"_target_": "torch.optim.SGD", "lr": 0.1}, [weight])
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["params"][0] is weight


def test_instantiate_builds_nested_targets() -> None:
    net = instantiate({"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "torch.nn.ReLU"}]})
    assert isinstance(net, nn.Sequential)
    assert isinstance(net[0], nn.ReLU)


def test_wrong_arguments_are_told_before_the_call() -> None:
    with pytest.raises(
        TargetError, match=r"torch\.optim\.SGD: got an unexpected keyword argument 'lrr'; its arguments are"
    ):
        instantiate({"_target_": "torch.optim.SGD", "lrr": 0.1}, [nn.Parameter(torch.zeros(1))])


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("digits.models.cnn.nn.Module", "there is no module digits.models.cnn.nn"),
        ("digits.runs.environment.subprocess.run", "there is no module"),
        ("torch.nn.functional.torch.hub.load", "there is no module"),
        ("digits.hydra_app.app.Path", "is really pathlib"),
        ("digits.runs.atomic.Path.write_text", "there is no module"),
        ("digits.runs.environment.subprocess", "has nothing to call"),
    ],
)
def test_another_package_is_not_reached_through_an_import_of_ours(target: str, why: str) -> None:
    with pytest.raises(TargetError, match=why):
        resolve(target)
    for tree in ({"_target_": target}, {"_target_": "digits.models.MLP", "hidden": [{"_target_": target}]}):
        with pytest.raises(TargetError):
            check_read_back(tree)  # type: ignore[arg-type]  # mypy takes the literal for another dict  # a literal, narrower than Tree
        with pytest.raises(TargetError):
            instantiate(tree)  # type: ignore[arg-type]  # a literal, narrower than Tree


@pytest.mark.parametrize("target", ["digits.load", "digits.runs.atomic.write_text", "torch.nn.functional.relu"])
def test_functions_are_not_called_for_a_file(target: str) -> None:
    with pytest.raises(TargetError, match="is not a class"):
        check_read_back({"_target_": target})


def test_what_is_read_back_may_only_name_ours_and_a_fixed_list() -> None:
    assert is_trusted("digits.models.CNN")
    assert is_trusted("torch.optim.AdamW")
    assert not is_trusted("os.system")
    assert not is_trusted("torch.load")
    assert not is_trusted("digitsevil.Net")
    assert is_trusted("mynets.Net", ("mynets",))
    assert not is_trusted("mynetsevil.Net", ("mynets",))


def test_targets_are_found_however_deep() -> None:
    tree = {"_target_": "a.B", "list": [{"_target_": "c.D"}], "dict": {"x": {"_target_": "e.F"}}}
    assert [key for key, _ in targets_in(tree)] == ["", "list[0]", "dict.x"]  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["digits.models.Nothing", "digits.nowhere.X", "digits.hydra_app.app.LENGTHS"])
def test_a_target_that_is_not_there(target: str) -> None:
    with pytest.raises(TargetError):
        resolve(target)
