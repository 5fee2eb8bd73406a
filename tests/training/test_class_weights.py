"""Tensors given as lists in a configuration: class weights, through a training and what follows it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from digits.config.arguments import check_arguments
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.instantiate import instantiate, takes_tensor
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.evaluating.load import load
from digits.runs.read import read_result
from digits.training.job import run_job
from tests.conftest import Compose

MakeExperiment = Callable[..., Experiment]

WEIGHTS = "+loss.weight=[1,1,1,1,1,1,1,1,1,5]"


class Scaled(nn.Module):
    """A loss of one's own around another, whose arguments are tensors in every way that one writes so."""

    def __init__(
        self, inner: nn.Module, scale: Tensor, shift: torch.Tensor | None = None, sizes: list[int] | None = None
    ) -> None:
        super().__init__()
        self.inner, self.scale, self.shift, self.sizes = inner, scale, shift, sizes


class Weighted(nn.Module):
    """A loss of one's own, with two weights of something."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()


def test_lists_become_tensors_where_tensors_are_taken_however_deep() -> None:
    inner: Tree = {"_target_": "torch.nn.CrossEntropyLoss", "weight": [1, 2]}
    made = instantiate({"_target_": f"{__name__}.Scaled", "inner": inner, "scale": [[1], [2]], "sizes": [1, 2]})
    assert isinstance(made, Scaled)
    assert isinstance(made.inner, nn.CrossEntropyLoss)
    assert made.inner.weight is not None
    assert made.inner.weight.tolist() == [1.0, 2.0]
    assert made.inner.weight.dtype == made.scale.dtype == torch.float32, "of whole numbers too"
    assert made.scale.shape == (2, 1)
    assert made.sizes == [1, 2]


def test_only_a_tensor_is_one() -> None:
    taken = {name: takes_tensor(p) for name, p in inspect.signature(Scaled, eval_str=True).parameters.items()}
    assert taken == {"inner": False, "scale": True, "shift": True, "sizes": False}


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ("[1,1,5]", "3 numbers for 10 classes"),
        ("[1,1,1,1,1,1,1,1,1,a]", "can't be made a tensor"),
        ("[1,1,1,1,1,1,1,1,1,[2]]", "can't be made a tensor"),
        ("[1,1,1,1,1,1,1,1,1,-5]", "less than 0"),
        ("5", "a list of numbers"),
        ("{_target_:torch.tensor,data:[1,1,1,1,1,1,1,1,1,5]}", "a list of numbers"),  # which no record could build
    ],
)
def test_what_makes_no_weights_is_refused_before_anything_is_made(composed: Compose, weights: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(check(composed(f"+loss.weight={weights}")))
    [fault] = caught.value.faults
    assert fault.key == "loss.weight"
    assert text in fault.problem


def test_the_weight_of_a_loss_of_ones_own_means_what_it_means(composed: Compose) -> None:
    own = (f"loss._target_={__name__}.Weighted", "~loss.label_smoothing", "+loss.weight=[1,2]")
    check_arguments(check(composed(*own)))


def test_class_weights_are_trained_with_resumed_and_repeated(experiment: MakeExperiment, tmp_path: Path) -> None:
    longer = experiment(WEIGHTS, "trainer.max_epochs=3", "scheduler=constant")
    run_job(longer, tmp_path / "whole", [])
    run_job(experiment(WEIGHTS, "scheduler=constant"), tmp_path / "run", [])
    run_job(longer.model_copy(update={"resume": str(tmp_path / "run")}), tmp_path / "run", [])
    plain = experiment("trainer.max_epochs=3", "scheduler=constant")
    run_job(plain, tmp_path / "plain", [])
    whole, resumed, other = (read_result(tmp_path / name) for name in ("whole", "run", "plain"))
    assert resumed.metrics["val/loss"] == whole.metrics["val/loss"]
    assert other.metrics["val/loss"] != whole.metrics["val/loss"]
    assert whole.config is not None
    recorded = whole.config.completed()
    assert recorded["loss"] == {"_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.0,
                                "weight": [1, 1, 1, 1, 1, 1, 1, 1, 1, 5]}  # fmt: skip
    again = check(recorded | {"config_from": str(tmp_path / "whole"), "resume": None, "trust": []})
    run_job(again, tmp_path / "again", [])
    assert read_result(tmp_path / "again").metrics["val/loss"] == whole.metrics["val/loss"]


def test_the_net_of_such_a_run_is_found_without_its_loss(experiment: MakeExperiment, tmp_path: Path) -> None:
    run_job(experiment(WEIGHTS), tmp_path / "run", [])
    assert load(tmp_path / "run") is not None
