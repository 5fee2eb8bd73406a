"""`python -m digits.export` of a page reader: a file that answers as PyTorch does to pictures of any size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession

import digits
from digits.config.instantiate import instantiate
from digits.data import PagesDataModule
from digits.data.pages.page import Composed
from digits.evaluating.pages import PagesScores, judge_page, total
from digits.export import main
from digits.exporting import detector_export
from digits.exporting.detector_export import ExportedDetector
from digits.exporting.onnx_graph import ExportError, detector_to_onnx
from digits.models import Detector
from digits.reading.detect import Net as Answering
from digits.reading.detect import detect, levels
from digits.reading.model.net import SHIPPED, load
from digits.runs.read import read_result
from tests.support.drawn_mnist import take_files

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exported(eager_run: Path, drawn_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "export"
    with pytest.MonkeyPatch.context() as patch:
        take_files(drawn_files, patch)
        assert main([str(eager_run), "--out", str(folder)]) == 0
    return folder


def answers_of(file: Path) -> Answering:
    return detector_export.as_callable(InferenceSession(file, providers=["CPUExecutionProvider"]))


@pytest.mark.parametrize("size", [(16, 16), (96, 128), (112, 48), (272, 656)])
def test_it_answers_as_pytorch_does_whatever_the_size(exported: Path, eager_run: Path, size: tuple[int, int]) -> None:
    whole = digits.load(eager_run)
    assert isinstance(whole, torch.nn.Sequential)
    net = whole[1]  # without the normalisation, which scales to 0..1
    images = np.random.default_rng(0).random((1, 1, *size), np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(images))
    maps = answers_of(exported / "model.onnx")(images)
    assert maps.shape == (1, 16, size[0] // 4, size[1] // 4)
    np.testing.assert_allclose(maps, expected, atol=1e-4)


def test_it_is_one_file_that_says_what_it_is(exported: Path, eager_run: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {"model.onnx", "model.safetensors", "model.json"}
    model, record = onnx.load(exported / "model.onnx"), read_result(eager_run)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert (entries["task"], entries["format"], entries["mean"], entries["std"]) == ("detection", "1", "0.0", "1.0")
    assert json.loads(entries["classes"]) == list("0123456789")
    for name in ("pages", "recall", "precision", "accuracy"):
        assert float(entries[name]) == pytest.approx(record.metrics[f"test/{name}"], abs=0.05)  # rounding moves a peak
    provenance = json.loads(entries["provenance"])
    assert (provenance["weights_sha256"], provenance["data"]) == (record.weights, "pages")
    assert not [override for override in provenance["overrides"] if override.startswith("data.cache")]


def test_it_is_small_the_same_twice_and_tells_nothing_of_the_machine() -> None:
    """The model of conf/, untrained."""
    net = Detector(10, [16, 32, 64, 96], 32, 2)
    content, again = (detector_to_onnx(net).SerializeToString(deterministic=True) for _ in range(2))
    assert content == again
    assert len(content) < 3 << 20
    for word in (b".py", b"stack_trace", b"digits.", bytes(HERE), bytes(Path(torch.__file__).parent)):
        assert word not in content


@pytest.mark.usefixtures("drawn_mnist")
def test_what_is_measured_is_the_file_itself(
    eager_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = tmp_path / "export"
    assert main([str(eager_run), "--out", str(exported), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [file] = found["files"]
    run = answers_of(exported / "model.onnx")
    counted = total(judge_page(page, detect(run, page.pixels)) for page in pages_of(eager_run))
    assert counted.hits
    assert file["counts"] == vars(counted)
    assert file["largest_difference"] < 1e-4
    assert found["notes"] == []


def pages_of(run: Path) -> list[Composed]:
    """Those of the test split."""
    config = read_result(run).config
    assert config is not None
    assert config.data is not None
    module = instantiate(config.data.tree())
    assert isinstance(module, PagesDataModule)
    return list(module.split("test").pages)


# ---- What is refused ----------------------------------------------------------------------------------


class Treacherous(Detector):
    """Answers otherwise once it is exported."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + (0.5 if torch.compiler.is_exporting() else 0.0)


class NotANumber(Detector):
    """Answers with NaN."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) * torch.nan


@pytest.mark.usefixtures("drawn_mnist")
@pytest.mark.parametrize(
    ("kind", "sentence"), [(Treacherous, "differs from PyTorch's"), (NotANumber, "NaN or infinity")]
)
def test_a_file_that_answers_otherwise_is_not_kept(eager_run: Path, kind: type[Detector], sentence: str) -> None:
    data = PagesDataModule.__new__(PagesDataModule)
    with pytest.raises(ExportError, match=sentence):
        detector_export.export(kind(10, [8, 8, 8, 8], 8, 1), data, pages_of(eager_run)[:2], "{}")


def test_the_reader_takes_it_beside_the_classifier_that_ships(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "run" / "export")
    detector, classifier = load(tmp_path / "run")
    assert (detector.path, classifier.path) == (tmp_path / "run" / "export" / "model.onnx", SHIPPED)
    images = np.random.default_rng(0).random((1, 1, 48, 64), np.float32)
    np.testing.assert_array_equal(detector(images), answers_of(exported / "model.onnx")(images))


# ---- In eight bits ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quantised(eager_run: Path, drawn_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantised") / "export"
    with pytest.MonkeyPatch.context() as patch:
        take_files(drawn_files, patch)
        patch.setattr(detector_export, "MOST_LOST", 1.0)  # a net that has hardly learned may lose anything
        assert main([str(eager_run), "--int8", "--out", str(folder)]) == 0
    return folder


def test_in_eight_bits_it_is_a_file_of_its_own_that_the_reader_takes(quantised: Path, eager_run: Path) -> None:
    whole, small = (quantised / name for name in ("model.onnx", "model.int8.onnx"))
    detector, _ = load(small)
    counted = total(judge_page(page, detect(detector, page.pixels)) for page in pages_of(eager_run))
    entries = {entry.key: entry.value for entry in onnx.load(small).metadata_props}
    assert {name: float(entries[name]) for name in counted.metrics} == counted.metrics
    assert entries["task"] == "detection"
    page = pages_of(eager_run)[0]
    for level in levels(page.pixels):
        expected, found = answers_of(whole)(level.image), detector(level.image)
        assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()
        assert not np.array_equal(found, expected)


def test_the_last_convolutions_are_not_quantised(quantised: Path) -> None:
    """Those of the objectness, classes and boxes, and of the classes at half the resolution: their outputs, too."""
    graph = onnx.load(quantised / "model.int8.onnx").graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    bare = [node for node in graph.node if node.op_type == "Conv" and made_by.get(node.input[1]) != "DequantizeLinear"]
    assert sorted(next(len(t.dims) and t.dims[0] for t in graph.initializer if t.name == node.input[1])
                  for node in bare) == [10, 16]  # fmt: skip
    assert len([node for node in graph.node if node.op_type == "Conv"]) > 10
    assert made_by["maps"] != "DequantizeLinear"


def test_one_that_reads_far_fewer_pages_is_not_kept() -> None:
    def file(name: str, perfect: int) -> ExportedDetector:
        return ExportedDetector(name, b"", PagesScores(100, perfect, 100, 100, 0, 100), None)

    whole, well, badly = file("model.onnx", 60), file("model.int8.onnx", 58), file("model.int8.onnx", 57)
    assert detector_export.good_enough([whole, well]) == ([whole, well], [])
    kept, [sentence] = detector_export.good_enough([whole, badly])
    assert kept == [whole]
    assert sentence == (
        "model.int8.onnx was not kept: it reads 57.00% of the pages of the test split without a fault, more than "
        "2 points below the 60.00% of model.onnx; use that one"
    )
