"""`python -m digits.export RUN --bundle DIR`: a folder that somebody without this package can use, check and upload."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from math import isclose
from pathlib import Path

import numpy as np
import pytest

from digits import evaluate
from digits.data import MNISTDataModule
from digits.data.datasets import Arrays
from digits.export import main
from digits.exporting import bundle
from digits.exporting.example import DETECT, example
from digits.reading.model.net import Classifier
from digits.runs.read import read_result
from tests.support.cards import head_of
from tests.support.drawn_mnist import take_files
from tests.support.plain_python import plain_python
from tests.support.runs import train_small

FILES = {
    *("model.onnx", "model.safetensors", "model.json"),
    *("README.md", "config.json", "example.py", "SHA256SUMS"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MLP after two epochs on optdigits: it makes mistakes."""
    return train_small(tmp_path_factory.mktemp("outputs"), epochs=2)


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle, in a folder that was not there."""
    folder = tmp_path_factory.mktemp("given") / "away" / "digits"
    assert main([str(run), "--bundle", str(folder), "--license", "mit"]) == 0
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A python with onnxruntime and numpy, and neither this package nor torch."""
    python = plain_python(tmp_path_factory.mktemp("stranger"), "onnxruntime", "numpy")
    code = "from importlib.util import find_spec; print(*map(find_spec, ['digits', 'torch', 'onnx', 'cv2', 'yaml']))"
    assert ran(python, "-c", code, cwd=Path(python).parent).split() == ["None"] * 5
    return python


def ran(*command: str, cwd: Path) -> str:
    """What a command prints, in an environment without PYTHONPATH."""
    done = subprocess.run(command, cwd=cwd, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


# ---- What is in it ------------------------------------------------------------------------------------


def test_the_example_runs_where_this_package_is_not_installed(made: Path, stranger: str) -> None:
    name, sure = ran(stranger, "example.py", cwd=made).split()
    images = np.zeros((1, 28, 28), np.uint8)
    images[:, 4:24, 13:15] = 255
    expected = Classifier(made).probabilities(images)[0]
    assert Classifier(made).temperature is not None
    assert int(name) == expected.argmax()
    assert float(sure) == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.parametrize("program", [example(28, detects=False), DETECT])
def test_the_example_is_five_lines_beyond_its_imports(program: str) -> None:
    lines = [line for line in program.splitlines() if line and not line.startswith("import ")]
    assert len(lines) == 5
    assert max(map(len, lines)) <= 120


def test_its_checksums_cover_every_file_and_find_a_change(made: Path, tmp_path: Path) -> None:
    assert {path.name for path in made.iterdir()} == FILES
    checked = ran("/usr/bin/sha256sum", "--check", "--strict", "SHA256SUMS", cwd=made)
    assert {line.partition(":")[0] for line in checked.splitlines()} == FILES - {"SHA256SUMS"}
    copy = shutil.copytree(made, tmp_path / "copy")
    (copy / "model.onnx").write_bytes((made / "model.onnx").read_bytes()[:-1] + b"?")
    done = subprocess.run(["/usr/bin/sha256sum", "--check", "SHA256SUMS"], cwd=copy, capture_output=True, check=False)
    assert done.returncode == 1


def test_the_head_has_the_fields_of_the_hub_with_the_records_metrics(made: Path, run: Path) -> None:
    head, accuracy = head_of(card_of(made)), read_result(run).metrics["test/accuracy"]
    assert (head["license"], head["library_name"], head["pipeline_tag"]) == ("mit", "onnx", "image-classification")
    assert head["metrics"] == ["accuracy"]
    assert "datasets" not in head  # optdigits are not on the Hub under their authors' name
    [index] = head["model-index"]
    [result] = index["results"]
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {"type": "optdigits", "name": "optdigits", "split": "test"}
    measured = {metric["type"]: metric for metric in result["metrics"]}
    assert measured.keys() == {"accuracy", "expected_calibration_error"}
    assert measured["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-6)
    low, high = map(float, measured["accuracy"]["name"].partition("interval ")[2].split(" to "))
    assert low < accuracy < high
    for bound in (low, high):  # where the score test at 5 % rejects the bound (Wilson 1927)
        assert isclose(abs(accuracy - bound), 1.96 * (bound * (1 - bound) / 360) ** 0.5, rel_tol=0.01)


def test_config_json_has_what_a_program_needs(made: Path, run: Path) -> None:
    config = json.loads((made / "config.json").read_text(encoding="utf-8"))
    assert (config["task"], config["license"], config["classes"]) == ("classification", "mit", list("0123456789"))
    assert config["temperature"] == Classifier(made).temperature
    model = json.loads((run / "model.json").read_text(encoding="utf-8"))
    assert {key: config[key] for key in ("model", "input")} == {key: model[key] for key in ("model", "input")}


def test_it_tells_nothing_of_the_machine(made: Path, run: Path) -> None:
    for path in made.iterdir():
        for place in (run, run.parent, made.parent, Path.home(), Path(sys.prefix)):
            assert bytes(place) + b"/" not in path.read_bytes(), path.name


def test_what_evaluate_measured_on_distorted_images_is_on_the_card(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    assert evaluate.main([str(copy), "--corrupt"]) == 0
    [file] = copy.glob("evaluation/*/corrupted.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert main([str(copy), "--bundle", str(tmp_path / "bundle")]) == 0
    card = card_of(tmp_path / "bundle")
    for name, share in (("as it is", found["accuracy"]["none"]), ("fog", found["accuracy"]["fog"])):
        assert re.search(rf"\| {name} +\| {share:.2%} ", card)
    assert re.search(rf"\| mean of the distortions +\| {found['mean']:.2%} ", card)
    assert "Not measured on distorted" not in card


class Shapes(MNISTDataModule):
    """Optdigits under other names."""

    def read(self) -> Arrays:
        return super().read()._replace(classes=tuple(f"Größe {name}|*" for name in "abcdefghij"))


def test_classes_of_ones_own_and_the_quantised_file(run: Path, tmp_path: Path, stranger: str) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    record = json.loads((copy / "result.json").read_text(encoding="utf-8"))
    record["config"]["data"] |= {"_target_": f"{__name__}.Shapes"}
    (copy / "result.json").write_text(json.dumps(record), encoding="utf-8")
    folder = tmp_path / "bundle"
    assert main([str(copy), "--trust", "tests", "--int8", "--bundle", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == FILES | {"model.int8.onnx"}
    assert ran(stranger, "-X", "utf8", "example.py", cwd=folder).startswith("Größe ")
    head, card = head_of(card_of(folder)), card_of(folder)
    assert (head["license"], "The weights: not stated." in card) == ("unknown", True)
    assert r"Größe a\|*" in card
    assert "The images: not known to the program that made this card" in card
    assert card.count("| model.int8.onnx ") == 3  # in the lists of files, of metrics and of temperatures


def test_a_page_detector(eager_run: Path, drawn_files: Path, tmp_path: Path, stranger: str) -> None:
    folder = tmp_path / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        take_files(drawn_files, patch)
        assert main([str(eager_run), "--bundle", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == FILES
    digit, at, x, y, *_ = ran(stranger, "example.py", cwd=folder).split()
    assert (int(digit) in range(10), at, int(x) < 128, int(y) < 96) == (True, "at", True, True)
    head, card = head_of(card_of(folder)), card_of(folder)
    assert (head["pipeline_tag"], head["datasets"]) == ("object-detection", ["ylecun/mnist"])
    assert head["metrics"] == ["recall", "precision", "accuracy"]
    assert "## Calibration\n\nNot measured." in card
    assert "temperature" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))


# ---- What is refused, and what fails --------------------------------------------------------------------


def test_a_folder_that_exists_is_left_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("there", "link"):
        assert main([str(run), "--bundle", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err == (
            f"{tmp_path / name} exists, and a bundle replaces nothing; remove it, or name a new folder\n"
        )
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--license", "mit"], "add --bundle DIR"),
        (["--bundle", "new", "--license", "MIT License"], "as the Hugging Face Hub does"),
    ],
)
def test_a_licence_that_can_not_be_is_refused(
    run: Path, tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main([str(run), *options]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_damaged_evaluation_stops_a_bundle_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    file = copy / "evaluation" / "kmnist-test" / "corrupted.json"
    file.parent.mkdir(parents=True)
    file.write_text("{", encoding="utf-8")
    assert main([str(copy), "--bundle", str(tmp_path / "bundle")]) == 2
    assert capsys.readouterr().err.endswith("remove it, or evaluate again\n")
    assert not (tmp_path / "bundle").exists()
    assert main([str(copy), "--out", str(tmp_path / "plain")]) == 0


@pytest.mark.parametrize(
    ("fault", "code"), [(OSError(errno.ENOSPC, "No space left on device"), 1), (KeyboardInterrupt(), 130)]
)
def test_what_stops_half_way_leaves_nothing(
    run: Path, tmp_path: Path, fault: BaseException, code: int, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def stop(folder: Path) -> bytes:
        assert {path.name for path in folder.iterdir()} == FILES - {"SHA256SUMS"}
        raise fault

    monkeypatch.setattr(bundle, "sums", stop)
    assert main([str(run), "--bundle", str(tmp_path / "new")]) == code
    assert not list(tmp_path.iterdir())
    told = f"{tmp_path / 'new'} can't be written to (No space left on device); choose another folder with --bundle\n"
    assert capsys.readouterr().err == (told if code == 1 else "")
