"""Weights of a net in another that knows other classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from digits.config.types import Value
from digits.models import CNN, MLP, LogisticRegression, ResNet, TinyCNN
from digits.runs.atomic import write_json
from digits.runs.layout import RunError
from digits.training.transfer import Transfer, read_origin, readout, transfer

TEN = tuple("0123456789")


def net(classes: int, hidden: int = 6) -> MLP:
    return MLP(28, classes, [hidden], 0.0)


def saved(run: Path, classes: tuple[str, ...], module: nn.Module) -> Path:
    """A run's net."""
    run.mkdir(exist_ok=True)
    save_file(module.state_dict(), run / "model.safetensors")
    takes: dict[str, Value] = {"mean": 0.1, "std": 0.3, "image_size": 28, "classes": list[Value](classes)}
    write_json(run / "model.json", {"model": {"_target_": "digits.models.MLP"}, "input": takes})
    return run


def rows(module: MLP) -> torch.Tensor:
    return torch.cat([module.classify.weight, module.classify.bias.unsqueeze(1)], 1).detach().clone()


def test_rows_follow_the_names_of_the_classes(tmp_path: Path) -> None:
    theirs, ours = net(4), net(5)
    before = rows(ours)
    done = transfer(ours, read_origin(saved(tmp_path, ("none", "7", "1", "0"), theirs)), ("0", "1", "A", "7", "B"))
    assert done == Transfer(kept=("0", "1", "7"), new=("A", "B"), dropped=("none",))
    assert str(done) == "known already: 0, 1, 7; new: A, B; no longer there: none"
    assert torch.equal(rows(ours)[[0, 1, 3]], rows(theirs)[[3, 2, 1]])
    assert torch.equal(rows(ours)[[2, 4]], before[[2, 4]])
    for name, tensor in theirs.features.state_dict().items():
        assert torch.equal(ours.features.state_dict()[name], tensor)


def test_the_same_classes_in_another_order_change_places(tmp_path: Path) -> None:
    theirs, ours = net(3), net(3)
    transfer(ours, read_origin(saved(tmp_path, ("a", "b", "c"), theirs)), ("c", "a", "b"))
    assert torch.equal(rows(ours), rows(theirs)[[2, 0, 1]])


def test_the_same_classes_are_taken_as_they_are(tmp_path: Path) -> None:
    theirs, ours = net(10), net(10)
    origin = read_origin(saved(tmp_path, TEN, theirs))
    assert transfer(ours, origin, TEN) == Transfer(TEN, (), ())
    assert all(torch.equal(ours.state_dict()[name], tensor) for name, tensor in theirs.state_dict().items())


def test_a_file_of_weights_alone_has_to_fit(tmp_path: Path) -> None:
    origin = read_origin(saved(tmp_path, TEN, net(10)) / "model.safetensors")
    assert origin.classes == ()
    transfer(net(10), origin, tuple("abcdefghij"))
    with pytest.raises(RunError, match=r"does not fit the net: .*size mismatch"):
        transfer(net(3), origin, ("a", "b", "c"))


def test_another_net_is_told(tmp_path: Path) -> None:
    origin = read_origin(saved(tmp_path, TEN, net(10, hidden=7)))
    with pytest.raises(RunError, match=r"holds the weights of another net: classify\.weight has the shape \[10, 7\]"):
        transfer(net(3), origin, ("0", "1", "2"))
    with pytest.raises(RunError, match=r"holds the weights of another net: no linear\.weight, .*unknown classify"):
        transfer(LogisticRegression(28, 3), origin, ("0", "1", "2"))


def test_weights_that_belie_their_names_are_told(tmp_path: Path) -> None:
    origin = read_origin(saved(tmp_path, ("0", "1"), net(10)))
    with pytest.raises(RunError, match=r"classify\.weight has the shape \[10, 6\], not \[2, 6\]"):
        transfer(net(3), origin, ("0", "1", "2"))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (net(10), "classify"),
        (LogisticRegression(28, 10), "linear"),
        (CNN(28, 10, [[4]], 0.0), "readout"),
        (ResNet(10, [4], 1, 0.0), "classify"),
        (TinyCNN(10, [[4]]), "classify"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Linear(10, 5)), None),
        (nn.Conv2d(1, 10, 28), None),
    ],
)
def test_the_last_layer_of_every_net_is_found(module: nn.Module, name: str | None) -> None:
    assert readout(module, 10) == name
