"""`python -m digits.evaluate`: the same figures as at the end of training, and clear answers to wrong questions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from digits.config.types import Tree
from digits.evaluate import main
from digits.runs.read import read_result
from tests.support.commands import digits
from tests.support.evaluations import PICTURES, evaluated
from tests.support.runs import train, train_small


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MLP after one epoch on optdigits: it makes mistakes."""
    return train_small(tmp_path_factory.mktemp("outputs"), epochs=1)


# ---- The figures ----------------------------------------------------------------------------------


def test_the_test_accuracy_is_that_of_the_end_of_training(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(run))
    metrics = read_result(run).metrics
    assert found["images"] == 360
    assert found["correct"] == round(metrics["test/accuracy"] * 360)
    assert 0 < found["correct"] < 360
    assert found["loss"] == pytest.approx(metrics["test/loss"], abs=1e-6)
    assert sum(cast(list[list[int]], found["confusion_matrix"])[i][i] for i in range(10)) == found["correct"]


def test_the_validation_split_is_the_runs_own(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(run), "--split", "val")
    metrics = read_result(run).metrics
    assert (found["images"], found["correct"]) == (180, round(metrics["val/accuracy"] * 180))


def test_it_leaves_pictures_and_what_it_printed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(run))
    folder = run / "evaluation" / "optdigits-test"
    assert {path.name for path in folder.iterdir()} == {*PICTURES, "evaluation.json"}
    assert json.loads((folder / "evaluation.json").read_text()) == found
    for name in PICTURES:
        assert min(Image.open(folder / name).size) > 300


def test_what_a_person_reads(run: Path, tmp_path: Path) -> None:
    """Run as a person runs it, from the folder that holds outputs/: the latest run that is done is taken."""
    metrics = read_result(run).metrics
    accuracy = f"{metrics['test/accuracy']:.2%}  95% interval "
    done = digits("evaluate", "--out", str(tmp_path), cwd=run.parents[2])
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first == "outputs/runs/mlp: best weights on the test split of optdigits"
    assert any(line.startswith("accuracy") and accuracy in line for line in lines)
    assert ["class", "images", "precision", "recall", "F1"] in [line.split() for line in lines]
    assert f"pictures  {tmp_path}" in lines
    assert (tmp_path / "confusion_matrix.png").exists()


def test_the_last_checkpoint_has_a_folder_of_its_own(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(run), "--checkpoint", "last")
    assert found["weights"] == "last"
    assert (run / "evaluation" / "optdigits-test-last" / "evaluation.json").exists()


def test_a_run_that_was_cut_off_has_a_checkpoint_to_look_at(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off = tmp_path / "run"
    shutil.copytree(run, cut_off)
    (cut_off / "model.json").unlink()
    (cut_off / "model.safetensors").unlink()
    assert main([str(cut_off)]) == 2
    assert capsys.readouterr().err.endswith("; use --checkpoint best\n")
    assert evaluated(capsys, str(cut_off), "--checkpoint", "best")["correct"] == evaluated(capsys, str(run))["correct"]


def test_another_set_is_normalised_as_the_net_was_trained(
    run: Path, capsys: pytest.CaptureFixture[str], mnist_root: Path
) -> None:
    found = evaluated(capsys, str(run), "--data", "mnist", "--root", str(mnist_root))
    data, record = cast(dict[str, object], found["data"]), read_result(run)
    assert (found["images"], data["name"]) == (10_000, "mnist")
    assert (data["mean"], data["std"]) == (record.at("config.data.mean"), record.at("config.data.std"))
    assert found["notes"] == []


def test_other_class_names_are_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renamed = tmp_path / "run"
    shutil.copytree(run, renamed)
    record = json.loads((renamed / "model.json").read_text())
    record["input"]["classes"] = list("abcdefghij")
    (renamed / "model.json").write_text(json.dumps(record))
    (note,) = cast(list[str], evaluated(capsys, str(renamed))["notes"])
    assert note == (
        "the model's classes are a, b, c, d, e, f, g, h, i, j; those of optdigits are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "
        "matched in this order"
    )


def test_the_own_set_by_name_keeps_the_runs_split(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    record = json.loads((other / "result.json").read_text())
    record["config"]["data"]["split_seed"] = 7
    (other / "result.json").write_text(json.dumps(record))
    data = cast(dict[str, object], evaluated(capsys, str(other), "--split", "val", "--data", "optdigits")["data"])
    assert data["split_seed"] == 7


# ---- Wrong questions ------------------------------------------------------------------------------


def test_wrong_questions_are_answered_in_a_sentence_before_torch(tmp_path: Path, run: Path) -> None:
    code = (
        "import sys; from digits.evaluate import main; code = main(sys.argv[1:]); "
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )

    def answer(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == ""
        return done.returncode, done.stderr.strip()

    assert answer() == (2, "no run in outputs/ is done yet; train one first, or name a run's directory")
    assert answer("nowhere") == (2, "there is no directory nowhere; name a run's directory, as printed when it starts")
    assert answer(str(run), "--data", "mist") == (
        2,
        "there is no data set mist; there is fashion_mnist, image_folder, kmnist, mnist, optdigits, pages, reader",
    )
    returned, error = answer(str(run), "--split", "train")
    assert returned == 2
    assert "invalid choice: 'train'" in error


def altered(run: Path, tmp_path: Path, file: str, change: Callable[[Tree], None]) -> str:
    copy = tmp_path / "altered"
    shutil.copytree(run, copy)
    tree = json.loads((copy / file).read_text())
    change(tree)
    (copy / file).write_text(json.dumps(tree))
    return str(copy)


def test_a_set_that_does_not_fit_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shrink(tree: Tree) -> None:
        cast(Tree, tree["input"])["image_size"] = 20

    assert main([altered(run, tmp_path, "model.json", shrink), "--data", "mnist"]) == 2
    assert capsys.readouterr().err == (
        "mnist has 10 classes of 28x28 pixels, but the model takes 20x20 pixels and has 10 classes\n"
    )


@pytest.mark.parametrize(("file", "section"), [("model.json", "model"), ("result.json", "config")])
def test_code_of_strangers_is_not_called(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, section: str
) -> None:
    def poison(tree: Tree) -> None:
        target = cast(Tree, tree[section])
        (cast(Tree, target["data"]) if section == "config" else target)["_target_"] = "shutil.rmtree"

    assert main([altered(run, tmp_path, file, poison)]) == 2
    assert capsys.readouterr().err == (
        f"{file} names a class outside the trusted packages: shutil.rmtree; to allow it: --trust shutil\n"
    )


def test_no_validation_split_and_no_checkpoint_are_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def use_all(tree: Tree) -> None:
        cast(Tree, cast(Tree, tree["config"])["data"])["val_size"] = 0

    copy = altered(run, tmp_path, "result.json", use_all)
    assert main([copy, "--split", "val"]) == 2
    assert capsys.readouterr().err == f"{copy} has no validation split (data.val_size is 0); use --split test\n"
    shutil.rmtree(Path(copy) / "checkpoints")
    assert main([copy, "--checkpoint", "last"]) == 2
    assert capsys.readouterr().err == f"{copy} did not keep its last checkpoint: it has no last.ckpt\n"


def test_data_that_moved_are_found_where_they_are_today(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def move(tree: Tree) -> None:
        cast(Tree, cast(Tree, tree["config"])["data"])["root"] = "/gone"

    monkeypatch.setenv("DIGITS_DATA", str(tmp_path / "today"))
    found = evaluated(capsys, altered(run, tmp_path, "result.json", move))
    assert cast(Tree, found["data"])["root"] == str(tmp_path / "today")


def test_data_that_can_not_be_had_are_a_failure(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "MNIST").write_text("no folder")
    assert main([str(run), "--data", "mnist", "--root", str(tmp_path)]) == 1
    assert "MNIST can't be" in capsys.readouterr().err


def test_the_net_is_evaluated_as_it_was_trained(tmp_path: Path) -> None:
    """The moving average is what was tested, so it is what is evaluated, from either file."""
    train(tmp_path, "data=optdigits", "model=mlp", "model.hidden=[16]", "trainer=cpu", "trainer.max_epochs=1",
          "trainer.ema_decay=0.9", "augment=none", "callbacks=none")  # fmt: skip
    metrics = read_result(tmp_path).metrics
    for arguments in ([], ["--checkpoint", "best"]):
        assert main([str(tmp_path), *arguments]) == 0
        found = json.loads((tmp_path / "evaluation" / "optdigits-test" / "evaluation.json").read_text())
        assert found["correct"] == round(metrics["test/accuracy"] * 360)
