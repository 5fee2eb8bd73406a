"""The net that ships: small, one net in both its forms, and made by a recorded experiment of this project."""

from __future__ import annotations

import hashlib
import json
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from safetensors.torch import load_file

from digits.config.types import Tree
from digits.exporting import onnx_export
from digits.models import CNN
from digits.reading.model import metadata as description
from digits.reading.model.check import check_model
from digits.reading.model.net import SHIPPED, Net
from digits.reading.patch import as_mnist
from digits.runs import init_from
from tests.reading.drawing import STROKES, draw

FOLDER = SHIPPED.parent


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    """Of the ONNX file."""
    return {entry.key: entry.value for entry in onnx.load(SHIPPED).metadata_props}


@pytest.fixture(scope="module")
def record() -> Tree:
    """model.json."""
    return cast(Tree, json.loads((FOLDER / "model.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def patches() -> npt.NDArray[np.uint8]:
    """Every digit with pens of three widths, (30, 28, 28)."""
    return np.stack([as_mnist(draw(digit, 60, pen).ink) for pen in (4, 7, 11) for digit in STROKES])


def test_both_layers_that_know_of_it_mean_the_same() -> None:
    """Neither may import the other."""
    assert init_from.SHIPPED == FOLDER
    assert onnx_export.FORMAT == description.FORMAT
    assert SHIPPED.name == onnx_export.FLOAT


def test_it_is_small_and_no_file_lies_beside_it() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"model.json", "model.onnx", "model.safetensors"}
    assert sum(path.stat().st_size for path in FOLDER.glob("model.[os]*")) < 2_000_000


def test_a_strangers_rules_hold_for_it_too() -> None:
    """Whoever copies it, and names the copy, can use it."""
    described = check_model(SHIPPED.read_bytes(), "model.onnx")
    assert described.reads_digits
    assert described.classes == (*"0123456789", description.NONE)
    assert described.accuracy > 0.99


def test_what_both_files_say_of_it_agrees(metadata: dict[str, str], record: Tree) -> None:
    takes = cast(Tree, record["input"])
    assert json.loads(metadata["classes"]) == takes["classes"]
    assert float(metadata["mean"]) == takes["mean"]
    assert float(metadata["std"]) == takes["std"]
    assert int(metadata["image_size"]) == takes["image_size"]
    assert cast(Tree, record["model"])["num_classes"] == 11


def test_it_says_where_it_comes_from(metadata: dict[str, str]) -> None:
    provenance = json.loads(metadata["provenance"])
    assert "experiment=reader" in provenance["overrides"]
    assert len(provenance["commit"]["id"]) == 40
    assert provenance["commit"]["dirty"] is False
    assert provenance["weights_sha256"] == hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert 0.1 < float(metadata["temperature"]) < 10


def test_both_files_give_the_same_answers(record: Tree, patches: npt.NDArray[np.uint8]) -> None:
    """The net as PyTorch rebuilds it from model.json and model.safetensors, against onnxruntime's."""
    model = {key: value for key, value in cast(Tree, record["model"]).items() if key != "_target_"}
    takes = cast(dict[str, float], record["input"])
    rebuilt = CNN(**model)  # type: ignore[arg-type]  # plain data of any type, as a record has it
    rebuilt.load_state_dict(load_file(FOLDER / "model.safetensors"))
    rebuilt.eval()
    shipped = Net()
    assert shipped.temperature is not None
    images = (torch.from_numpy(patches).float().unsqueeze(1) / 255 - takes["mean"]) / takes["std"]  # (N, 1, 28, 28)
    with torch.no_grad():
        expected = (rebuilt(images) / shipped.temperature).softmax(1)
    found = shipped.probabilities(patches)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    wanted = [int(digit) for _ in range(3) for digit in STROKES]
    assert (found.argmax(1) == wanted).mean() > 0.9
