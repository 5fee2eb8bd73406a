"""Nets of strangers: safetensors that lie about what they hold, and descriptions that would fill the memory."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import digits
from digits.config.types import Tree
from digits.models import CNN, MLP
from digits.runs.atomic import write_json
from digits.runs.layout import RunError
from digits.runs.schema import ModelRecord, NetInput, RecordedTarget
from digits.runs.weights import build_net, load_weights

pytestmark = pytest.mark.timeout(60)

MLP_OF: dict[str, object] = {
    "_target_": "digits.models.MLP", "image_size": 28, "num_classes": 10, "hidden": [4], "dropout": 0.0
}  # fmt: skip


@pytest.fixture
def net() -> MLP:
    torch.manual_seed(0)
    return MLP(28, 10, [4], 0.0)


def model_json(run: Path, **model: object) -> None:
    write_json(run / "result.json", {})
    write_json(run / "model.json", {"model": cast(Tree, model), "input": {"mean": 0.1, "std": 0.3, "image_size": 28}})


# ---- safetensors ----------------------------------------------------------------------------------


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(first: int, last: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        tensors({}, length=1 << 62),
        tensors({}, length=200 << 20),
        tensors(b"{" * 50),
        tensors(b"[" * 100_000),
        tensors(b"\xff\xfe"),
        tensors({"a": entry(0, 4, [1 << 60])}, bytes(4)),
        tensors({"a": entry(0, 4, [(1 << 63) - 1, 4])}, bytes(4)),
        tensors({"a": entry(0, 1 << 40, [1 << 38])}, bytes(4)),
        tensors({"a": entry(0, 4, [1]), "b": entry(0, 4, [1])}, bytes(4)),
        tensors({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, bytes(12)),
        tensors({"a": entry(4, 0, [1])}, bytes(4)),
        tensors({"a": entry(0, 4, [-1])}, bytes(4)),
        tensors({"a": entry(0, 4, [1], "F33")}, bytes(4)),
        tensors({"a": entry(0, 4, [1])}, bytes(400)),
        tensors({"a": {"dtype": "F32"}}, bytes(4)),
        tensors({"../../harm": entry(0, 4, [1]), "/etc/passwd": entry(4, 8, [1])}, bytes(8)),
        tensors({"classify.weight": entry(0, 4, [1])}, bytes(4)),
    ],
    ids=range(19),
)
def test_safetensors_that_lie_are_refused(tmp_path: Path, net: MLP, content: bytes) -> None:
    path = tmp_path / "run" / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(
        RunError, match=f"^{path} (does not fit the net: .|holds the weights of another net: no features)"
    ):
        load_weights(net, path)
    assert [file.name for file in tmp_path.rglob("*")] == ["run", "model.safetensors"]


def test_weights_that_are_no_numbers_are_weights(tmp_path: Path, net: MLP) -> None:
    nn.init.constant_(net.classify.bias, float("nan"))
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    other = MLP(28, 10, [4], 0.0)
    load_weights(other, tmp_path)
    assert other.classify.bias.isnan().all()


# ---- Sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": [50_000]},  # which fits into memory, so nothing else would stop it
        {"hidden": [10**9]},
        {"hidden": [4] * 4000},
        {"image_size": 10**6},
        {"_target_": "digits.models.ResNet", "num_classes": 10, "channels": [1], "blocks": 10**9, "dropout": 0.0},
        {"_target_": "digits.models.CNN", "image_size": 28, "num_classes": 10, "stages": [[10**6] * 2], "dropout": 0.0},
        {"_target_": "torch.nn.Sequential", "_args_": [
            {"_target_": "torch.nn.Embedding", "num_embeddings": 10**12, "embedding_dim": 1}]},
        {"_target_": "torch.nn.BatchNorm1d", "num_features": 10**11, "affine": False},
    ],
)  # fmt: skip
def test_a_net_that_its_weights_can_not_fill_is_never_made(
    tmp_path: Path, net: MLP, changes: dict[str, object]
) -> None:
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    model_json(tmp_path, **(changes if "_target_" in changes else MLP_OF | changes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunError, match=r"which can't be in the [0-9,]+ bytes of .*model\.safetensors"):
        digits.load(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10  # KiB


def test_measuring_a_net_draws_no_random_number(tmp_path: Path, net: MLP) -> None:
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    takes = NetInput(mean=0.1, std=0.3, image_size=28)
    record = ModelRecord(model=RecordedTarget.model_validate(MLP_OF), input=takes)
    weights = []
    for where in (None, tmp_path):
        torch.manual_seed(0)
        weights.append(build_net(record, weights=where).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert all(tensor.device.type == "cpu" for tensor in weights[1].values())


@pytest.mark.parametrize("wrong", [{"hidden": ["x"]}, {"hidden": 3}, {"dropout": 7.0}, {"sizes": 1}, {"hidden": [-1]}])
def test_a_net_that_can_not_be_built_is_told(tmp_path: Path, net: MLP, wrong: dict[str, object]) -> None:
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    model_json(tmp_path, **MLP_OF | wrong)
    with pytest.raises(RunError, match=r"^model\.json describes a net that can't be built: "):
        digits.load(tmp_path)


def test_a_cnn_of_the_former_order_is_told_from_any_other_net(tmp_path: Path) -> None:
    net = CNN(28, 10, stages=[[4]], dropout=0.0)
    renamed = {name.replace("readout", "classify"): tensor for name, tensor in net.state_dict().items()}
    save_file(renamed, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="its features in another order; train it again with config_from"):
        load_weights(net, tmp_path)
