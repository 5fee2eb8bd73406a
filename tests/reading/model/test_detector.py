"""Page detectors in files: this project's is run as PyTorch runs it, and what others answer is not believed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from digits.config.task import DETECTION
from digits.exporting.onnx_graph import detector_to_onnx
from digits.models import Detector as Trained
from digits.reading.boxes import CHANNELS
from digits.reading.detect import detect
from digits.reading.model import metadata
from digits.reading.model.check import OF_DETECTORS, check_model
from digits.reading.model.net import Detector, ModelError
from digits.reading.model.size import DETECTOR, PAGE, Bounds, measure
from tests.support.onnx_files import between, sound_detector, whole


def write(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def page() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).random((1, 1, 64, 96), np.float32)


# ---- This project's -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """The model of conf/, with normalisations that are not the identity, as training leaves them."""
    torch.manual_seed(0)
    net = Trained(10, [16, 32, 72, 112], 48, 2)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return net.eval()


@pytest.fixture(scope="module")
def exported(trained: nn.Module) -> onnx.ModelProto:
    model = detector_to_onnx(trained)
    helper.set_model_props(model, {entry.key: entry.value for entry in sound_detector().metadata_props})
    return model


def test_what_this_project_exports_is_taken_and_answers_as_pytorch(
    exported: onnx.ModelProto, trained: nn.Module, tmp_path: Path, page: npt.NDArray[np.float32]
) -> None:
    described = check_model(exported.SerializeToString(), "x.onnx")
    assert (described.task, described.classes) == (DETECTION.name, metadata.DIGITS)
    assert described.reads_digits
    assert {"Max", "Resize", "Split"} < {node.op_type for node in exported.graph.node} <= OF_DETECTORS
    detector = Detector(write(tmp_path / "x.onnx", exported))
    with torch.no_grad():
        expected = trained(torch.from_numpy(page))
    maps = detector(page)
    assert maps.shape == (1, CHANNELS, 16, 24)
    np.testing.assert_allclose(maps, expected, atol=1e-4)


def test_it_takes_at_most_a_third_of_what_is_allowed(exported: onnx.ModelProto) -> None:
    """So that a larger one is still run."""
    third = Bounds(
        "a page", *(most // 3 for most in (DETECTOR.tensor, DETECTOR.numbers, DETECTOR.views, DETECTOR.work))
    )
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    assert measure(model, [1, 1, PAGE, PAGE], third)["maps"].shape == (1, 16, 264, 264)


def test_a_small_one_made_by_hand_is_taken_and_asked_at_every_level(tmp_path: Path) -> None:
    detector = Detector(write(tmp_path / "x.onnx", sound_detector()))
    grey = np.random.default_rng(0).integers(0, 256, (300, 200)).astype(np.uint8)
    assert len(detect(detector, grey, threshold=0.1).boxes)


# ---- What it answers ------------------------------------------------------------------------------


def test_a_detector_of_other_things_is_not_the_readers(tmp_path: Path) -> None:
    model = sound_detector(8, {"classes": json.dumps(["cat", "dog"])})
    path = write(tmp_path / "x.onnx", model)
    assert not check_model(path.read_bytes(), "x.onnx").reads_digits
    with pytest.raises(ModelError, match=r"x\.onnx finds 'cat, dog' on pages, but the reader needs 0 to 9; train one"):
        Detector(path)


def test_images_of_another_form_are_our_own_mistake(tmp_path: Path) -> None:
    detector = Detector(write(tmp_path / "x.onnx", sound_detector()))
    for shape in ((1, 1, 64, 100), (1, 1, 0, 64), (2, 1, 64, 64), (1, 3, 64, 64), (64, 64)):
        with pytest.raises(ValueError, match=r"^images are float32 \(1, 1, H, W\), sides multiples of 16, but these "):
            detector(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="but these are float64"):
        detector(np.zeros((1, 1, 64, 64)))  # type: ignore[arg-type]  # which is what is refused


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_are_told(bad: float, tmp_path: Path, page: npt.NDArray[np.float32]) -> None:
    model = sound_detector()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    spoilt_bias = numpy_helper.to_array(bias).copy()
    spoilt_bias[3] = bad
    bias.CopyFrom(numpy_helper.from_array(spoilt_bias, "bias"))
    detector = Detector(write(tmp_path / "x.onnx", model))
    with pytest.raises(ModelError, match=r"x\.onnx returned NaN or infinity; train it again, and export it$"):
        detector(page)


def test_answers_of_another_shape_or_none_are_told(tmp_path: Path, page: npt.NDArray[np.float32]) -> None:
    """They may be as wanted for the largest page alone, by which they are measured."""
    model, side = sound_detector(), PAGE // 4
    between(
        model, helper.make_node("Reshape", ["scaled", "shape"], ["then"]), tensors=(whole("shape", 1, 1, -1, side),)
    )
    detector = Detector(write(tmp_path / "x.onnx", model))
    assert detector(np.zeros((1, 1, 32, PAGE), np.float32)).shape == (1, CHANNELS, 8, side)
    with pytest.raises(ModelError, match=r"x\.onnx can't be run: .*; name a run, or"):
        detector(page)
    told = f"returned the shape (1, 16, 4, {side}), not (1, 16, {side}, 4), for {PAGE} x 16 pixels; name a run"
    with pytest.raises(ModelError, match=re.escape(told)):
        detector(np.zeros((1, 1, PAGE, 16), np.float32))


def test_files_with_bytes_changed_at_random_are_refused_or_work() -> None:
    """In a process of its own: what is feared is a crash of the libraries in C++, not an exception."""
    code = """
import pathlib, random, sys, tempfile
import numpy as np
from digits.reading.model import check, net
from tests.support.onnx_files import sound_detector
net.check_model = lambda content, name: check.check(content)  # not in a child each
content, random_ = sound_detector().SerializeToString(), random.Random(0)
refused = worked = 0
page = np.random.RandomState(0).rand(1, 1, 32, 48).astype(np.float32)
path = pathlib.Path(tempfile.mkdtemp()) / "x.onnx"
for _ in range(400):
    changed = bytearray(content)
    for _ in range(random_.randint(1, 4)):
        changed[random_.randrange(len(content))] = random_.randrange(256)
    path.write_bytes(changed)
    try:
        assert net.Detector(path)(page).shape == (1, 16, 8, 12)
        worked += 1
    except ValueError:
        refused += 1
path.unlink()
path.parent.rmdir()
print(refused, worked)
sys.exit(0 if refused > 100 and worked > 50 else 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
