"""Exported nets: probabilities that are calibrated, many patches in little memory, which file a name means."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from digits.reading.model.net import SHIPPED, Classifier, Detector, ModelError, load
from digits.reading.model.size import BATCH
from tests.support.onnx_files import between, sound, sound_detector


def write(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def patches() -> npt.NDArray[np.uint8]:
    return np.random.RandomState(1).randint(0, 256, (2 * BATCH + 3, 28, 28)).astype(np.uint8)


def test_probabilities_are_softmax_of_the_logits_over_the_temperature(
    tmp_path: Path, patches: npt.NDArray[np.uint8]
) -> None:
    """Against the formula in float64, for more patches than are run at once."""
    model = sound(entries={"temperature": "2.5"})
    weight, bias = (numpy_helper.to_array(tensor).astype(float) for tensor in model.graph.initializer[2:])
    logits = patches.reshape(len(patches), -1) / 255 @ weight.T + bias
    expected = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(1, keepdims=True)
    found = Classifier(write(tmp_path / "x.onnx", model)).probabilities(patches)
    assert found.dtype == np.float32
    assert found.shape == (len(patches), 10)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    uncalibrated = Classifier(write(tmp_path / "x.onnx", sound())).probabilities(patches)
    np.testing.assert_array_equal(uncalibrated.argmax(1), logits.argmax(1))
    assert (uncalibrated.max(1) > found.max(1)).all()


def test_no_patches_are_no_probabilities(tmp_path: Path, patches: npt.NDArray[np.uint8]) -> None:
    assert Classifier(write(tmp_path / "x.onnx", sound())).probabilities(patches[:0]).shape == (0, 10)


def test_patches_of_another_kind_are_refused(tmp_path: Path, patches: npt.NDArray[np.uint8]) -> None:
    net = Classifier(write(tmp_path / "x.onnx", sound()))
    for wrong in (patches.astype(np.float32), patches[:, :20], patches[0]):
        with pytest.raises(ValueError, match=r"^patches are uint8 \(N, 28, 28\), but these are "):
            net.probabilities(wrong)  # type: ignore[arg-type]  # which is what is refused


def test_a_net_may_know_what_is_no_digit(tmp_path: Path) -> None:
    net = Classifier(write(tmp_path / "x.onnx", sound(11, {"classes": json.dumps([*"0123456789", "none"])})))
    assert net.none == 10
    assert net.classes[net.none] == "none"
    assert Classifier(write(tmp_path / "x.onnx", sound())).none is None


def test_a_net_for_other_things_is_refused(tmp_path: Path) -> None:
    fashion = write(tmp_path / "x.onnx", sound(2, {"classes": '["coat", "bag"]'}))
    with pytest.raises(ModelError) as caught:
        Classifier(fashion)
    assert str(caught.value) == (
        f"{fashion} classifies 'coat, bag' on 28x28 pixels, but the reader needs 0 to 9, then none if a net has that, "
        "on 28x28; use this net with `python -m digits.evaluate`, or train one for the reader with data=mnist, "
        "and export it"
    )


def test_a_run_is_a_name_for_its_exported_net(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        Classifier(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is neither a run nor an exported net; name a run's directory or an ONNX file"
    )
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(ModelError) as caught:
        Classifier(tmp_path)
    assert str(caught.value) == f"{tmp_path} has no export/model.onnx; python -m digits.export {tmp_path} makes it"
    write(tmp_path / "model.onnx", sound())
    assert Classifier(tmp_path).path == tmp_path / "model.onnx"
    (tmp_path / "export").mkdir()
    file = write(tmp_path / "export" / "model.onnx", sound())
    assert Classifier(tmp_path).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert Classifier(str(tmp_path)).path == tmp_path / "export" / "model.onnx"


def test_each_name_is_the_net_that_its_metadata_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finds, tells = write(tmp_path / "finds.onnx", sound_detector()), write(tmp_path / "tells.onnx", sound())
    (tmp_path / "run" / "export").mkdir(parents=True)
    in_run = write(tmp_path / "run" / "export" / "model.onnx", sound_detector(entries={"provenance": '{"seed": 1}'}))
    ships = write(tmp_path / "ships.onnx", sound_detector())
    monkeypatch.setattr("digits.reading.model.net.SHIPPED_DETECTOR", ships)

    def paths(*names: str | Path) -> tuple[Path, Path]:
        detector, classifier = load(*names)
        assert detector.sha256 == hashlib.sha256(detector.path.read_bytes()).hexdigest()
        return detector.path, classifier.path

    assert paths() == (ships, SHIPPED)
    assert paths(finds) == (finds, SHIPPED)
    assert paths(str(tells)) == (ships, tells)
    assert paths(finds, tells) == paths(tells, finds) == (finds, tells)
    assert paths(tmp_path / "run", tells) == (in_run, tells)


def test_two_nets_of_a_kind_or_one_of_the_other_are_refused(tmp_path: Path) -> None:
    finds, tells = write(tmp_path / "finds.onnx", sound_detector()), write(tmp_path / "tells.onnx", sound())
    for names, kind in (((finds, tells, finds), "page detector"), ((tells, tells), "classifier of single digits")):
        with pytest.raises(ModelError) as caught:
            load(*names)
        assert str(caught.value) == (
            f"{names[0]} and {names[0]} are each a {kind}; name at most one page detector and one classifier of single "
            "digits"
        )
    with pytest.raises(ModelError, match=r"finds\.onnx is a page detector; name a classifier of single digits here$"):
        Classifier(finds)
    with pytest.raises(ModelError, match=r"tells\.onnx is a classifier of single digits; name a page detector here$"):
        Detector(tells)
    with pytest.raises(ModelError, match="classifies 'coat, bag' on"):
        load(finds, write(tmp_path / "x.onnx", sound(2, {"classes": '["coat", "bag"]'})))


def test_names_of_no_file_are_told(tmp_path: Path) -> None:
    for name in (tmp_path / "none", tmp_path / ("x" * 300), "a\0b"):
        with pytest.raises(ModelError, match="; name a run, or a file that "):
            Classifier(name)


def test_a_strangers_file_is_looked_at_before_it_is_run(tmp_path: Path) -> None:
    model = sound()
    between(model, helper.make_node("Tile", ["scaled", "rows"], ["then"]))
    with pytest.raises(ModelError, match=r"x\.onnx is not run: it has the operator 'Tile'"):
        Classifier(write(tmp_path / "x.onnx", model))


def test_a_file_is_onnx_even_where_it_begins_as_onnxruntimes_own_format(
    tmp_path: Path, patches: npt.NDArray[np.uint8]
) -> None:
    """Of that format nothing is checked; onnxruntime knows it by the bytes ORTM in the fifth place."""
    model = sound()
    model.producer_name = "ORTMan"
    path = write(tmp_path / "x.onnx", model)
    assert path.read_bytes()[4:8] == b"ORTM"
    assert Classifier(path).probabilities(patches[:1]).shape == (1, 10)


def test_what_onnxruntime_can_not_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a version that ONNX's own check knows already."""
    monkeypatch.setattr("digits.reading.model.net.check_model", lambda _content, _name: None)
    model = sound()
    model.ir_version = 1_000
    with pytest.raises(ModelError, match=r"x\.onnx can't be run: 'Unsupported model IR version: 1000, .*'; name a"):
        Classifier(write(tmp_path / "x.onnx", model))


def test_answers_that_are_no_numbers_are_told(tmp_path: Path, patches: npt.NDArray[np.uint8]) -> None:
    model = sound()
    model.graph.initializer[3].CopyFrom(numpy_helper.from_array(np.full(10, np.nan, np.float32), "bias"))
    net = Classifier(write(tmp_path / "x.onnx", model))
    with pytest.raises(ModelError, match=r"x\.onnx returned NaN or infinity; train it again, and export it$"):
        net.probabilities(patches)


def test_neither_torch_nor_onnx_is_imported_before_it_is_needed() -> None:
    code = """
import sys
import digits.reading.model.net
sys.exit(1 if {"torch", "onnx", "onnxruntime", "google.protobuf"} & set(sys.modules) else 0)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_many_patches_take_the_memory_of_a_batch(tmp_path: Path) -> None:
    """20,000 patches as float32 alone are 63 MB; the answers to them are 0.8."""
    path = write(tmp_path / "x.onnx", sound())
    code = f"""
import numpy as np
from digits.reading.model.net import Classifier
from tests.support.onnx_files import peak
net, patches = Classifier({str(path)!r}), np.ones((20_000, 28, 28), np.uint8)
net.probabilities(patches[:64])
before = peak()
net.probabilities(patches)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 << 20
