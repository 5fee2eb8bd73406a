"""The nets that ship: small, each the same in both its forms, and made by a recorded experiment of this project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from safetensors.torch import load_file

from digits.config.types import Tree
from digits.evaluating.pages import as_net
from digits.exporting import onnx_export
from digits.models import CNN
from digits.models import Detector as PageNet
from digits.reading.detect import detect, text_of
from digits.reading.model import metadata as description
from digits.reading.model.check import check_model
from digits.reading.model.net import SHIPPED, SHIPPED_DETECTOR, Classifier, Detector
from digits.reading.patch import as_mnist
from digits.reading.pictures import from_array
from digits.runs import init_from
from tests.support.drawing import STROKES, draw

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


def test_they_are_small_and_no_file_lies_beside_them() -> None:
    for folder in (FOLDER, SHIPPED_DETECTOR.parent):
        assert {path.name for path in folder.iterdir()} == {"model.json", "model.onnx", "model.safetensors"}
    files = [path.stat().st_size for path in FOLDER.parent.rglob("model.[os]*")]
    onnx_bytes = SHIPPED.stat().st_size + SHIPPED_DETECTOR.stat().st_size
    assert onnx_bytes < 4_000_000
    assert sum(files) - onnx_bytes < 3_000_000


def test_a_strangers_rules_hold_for_it_too() -> None:
    """Whoever copies it, and names the copy, can use it."""
    described = check_model(SHIPPED.read_bytes(), "model.onnx")
    assert described.reads_digits
    assert described.classes == (*"0123456789", description.NONE)
    assert described.accuracy > 0.99
    described = check_model(SHIPPED_DETECTOR.read_bytes(), "model.onnx")
    assert (described.task, described.reads_digits) == ("detection", True)


def test_what_both_files_say_of_it_agrees(metadata: dict[str, str], record: Tree) -> None:
    takes = cast(Tree, record["input"])
    assert json.loads(metadata["classes"]) == takes["classes"]
    assert float(metadata["mean"]) == takes["mean"]
    assert float(metadata["std"]) == takes["std"]
    assert int(metadata["image_size"]) == takes["image_size"]
    assert cast(Tree, record["model"])["num_classes"] == 11


@pytest.mark.parametrize(
    ("file", "experiment"),
    [(SHIPPED, "page_digits"), (SHIPPED_DETECTOR, "page_reader")],
    ids=["classifier", "detector"],
)
def test_they_say_where_they_come_from(file: Path, experiment: str) -> None:
    told = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    provenance = json.loads(told["provenance"])
    assert f"experiment={experiment}" in provenance["overrides"]
    assert len(provenance["commit"]["id"]) == 40
    assert provenance["commit"]["dirty"] is False
    weights = file.with_name("model.safetensors").read_bytes()
    assert provenance["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def test_the_detectors_files_find_the_same_digits() -> None:
    """The net as PyTorch rebuilds it against the file that ships, which has its weights and activations in 8 bits.

    That the float file answers as PyTorch does is checked by the export, before it is quantised.
    """
    record = json.loads(SHIPPED_DETECTOR.with_name("model.json").read_text(encoding="utf-8"))
    rebuilt = PageNet(**{key: value for key, value in record["model"].items() if key != "_target_"})
    rebuilt.load_state_dict(load_file(SHIPPED_DETECTOR.with_name("model.safetensors")))
    rebuilt.eval()
    written = from_array(draw("3141592").pixels).grey
    whole, small = (detect(net, written) for net in (as_net(rebuilt), Detector()))
    assert text_of(small) == text_of(whole) == "3141592"
    boxes, expected = (found.boxes[found.boxes[:, 0].argsort()] for found in (small, whole))
    np.testing.assert_allclose(boxes, expected, atol=8)  # pixels of digits 60 high: the next cell's box may win


def test_both_files_give_the_same_answers(record: Tree, patches: npt.NDArray[np.uint8]) -> None:
    """The net as PyTorch rebuilds it from model.json and model.safetensors, against onnxruntime's."""
    model = {key: value for key, value in cast(Tree, record["model"]).items() if key != "_target_"}
    takes = cast(dict[str, float], record["input"])
    rebuilt = CNN(**model)  # type: ignore[arg-type]  # plain data of any type, as a record has it
    rebuilt.load_state_dict(load_file(FOLDER / "model.safetensors"))
    rebuilt.eval()
    shipped = Classifier()
    assert shipped.temperature is not None
    images = (torch.from_numpy(patches).float().unsqueeze(1) / 255 - takes["mean"]) / takes["std"]  # (N, 1, 28, 28)
    with torch.no_grad():
        expected = (rebuilt(images) / shipped.temperature).softmax(1)
    found = shipped.probabilities(patches)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    wanted = [int(digit) for _ in range(3) for digit in STROKES]
    assert (found.argmax(1) == wanted).mean() > 0.9
