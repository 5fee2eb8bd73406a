"""`python -m digits.export` of a page reader: a file that answers as PyTorch does to pictures of any size."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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
from digits.evaluating.pages import judge_page, total
from digits.export import main
from digits.exporting import detector_export
from digits.exporting.onnx_graph import ExportError, detector_to_onnx
from digits.models import Detector
from digits.reading.detect import Net as Answering
from digits.reading.detect import detect
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


def test_it_is_not_quantised_which_is_said_before_torch(eager_run: Path) -> None:
    code = (
        "import sys; from digits.export import main; code = main(sys.argv[1:]); "
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )
    command = [sys.executable, "-c", code, str(eager_run), "--int8"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{eager_run} was trained for detection; only classifiers are quantised: leave out --int8\n"


def test_the_reader_takes_it_beside_the_classifier_that_ships(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "run" / "export")
    detector, classifier = load(tmp_path / "run")
    assert (detector.path, classifier.path) == (tmp_path / "run" / "export" / "model.onnx", SHIPPED)
    images = np.random.default_rng(0).random((1, 1, 48, 64), np.float32)
    np.testing.assert_array_equal(detector(images), answers_of(exported / "model.onnx")(images))
