"""`evaluate` on folders of pictures: which of them it asks about, and what their classes are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from digits import evaluate
from digits.config.types import Tree
from digits.data.image_folder import read_folder
from digits.runs.read import read_result
from tests.support import runs
from tests.support.folders import draw, picture

QUICK = ("trainer=cpu", "trainer.precision=32-true", "trainer.max_epochs=2", "callbacks=none", "logger=none",
         "model=mlp", "model.hidden=[16]")  # fmt: skip

pytestmark = pytest.mark.usefixtures("folders_read_anew")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """12 pictures of each of four classes."""
    return draw(tmp_path / "mine", _0=12, _1=12, _7=12, L=12)


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> Tree:
    read_folder.cache_clear()
    code = evaluate.main([*arguments, "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return cast(Tree, json.loads(out))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    read_folder.cache_clear()
    assert evaluate.main([*arguments]) == 2
    return capsys.readouterr().err.strip()


def test_evaluated_on_its_own_test_part_wherever_it_lies(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    metrics = read_result(runs.train(run, *QUICK, "data=image_folder", f"data.root={root}")).metrics
    found = evaluated(capsys, str(run))
    assert (found["images"], found["notes"]) == (10, [])
    assert found["accuracy"] == pytest.approx(metrics["test/accuracy"])
    for file, mistake in zip(cast(list[str], found["files"]), cast(list[Tree], found["mistakes"]), strict=True):
        assert Path(file).parent.name == mistake["truth"]
    assert evaluated(capsys, str(run), "--data", "image_folder")["correct"] == found["correct"]
    root.rename(tmp_path / "moved")
    assert refused(capsys, str(run)).endswith("with its pictures; name the folder with --root DIR")
    assert evaluated(capsys, str(run), "--root", str(tmp_path / "moved"))["correct"] == found["correct"]


def test_pictures_that_have_changed_since_are_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    runs.train(run, *QUICK, "data=image_folder", f"data.root={root}")
    picture("L", 40).save(root / "L" / "more.png")
    (note,) = cast(list[str], evaluated(capsys, str(run))["notes"])
    assert note.startswith(f"the pictures in {root} have changed since {run} was trained")


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net that knows the ten digits."""
    run = tmp_path_factory.mktemp("digits") / "run"
    runs.train(run, *QUICK, "data=optdigits")
    return run


def test_any_folder_is_asked_about_whole_and_by_the_names_of_its_classes(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = draw(tmp_path / "mine", _7=5, _1=4)
    found = evaluated(capsys, str(digits_run), "--data", "image_folder", "--root", str(mine))
    matrix = cast(list[list[int]], found["confusion_matrix"])
    assert [sum(row) for row in matrix] == [0, 4, 0, 0, 0, 0, 0, 5, 0, 0]
    assert found["correct"] == matrix[1][1] + matrix[7][7]
    assert found["notes"] == ["the model also knows 0, 2, 3, 4, 5, 6, 8, 9; image_folder has no images of these"]


def test_a_class_that_the_net_does_not_know_is_told(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = draw(tmp_path / "mine", _7=2, L=2)
    assert refused(capsys, str(digits_run), "--data", "image_folder", "--root", str(mine)).startswith(
        "image_folder has the classes L, which the model does not know; its classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    )


def test_a_net_that_also_knows_none_is_asked_about_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = draw(tmp_path / "mine", _0=6, _1=6, none=6)
    runs.train(tmp_path / "run", *QUICK, "data=image_folder", f"data.root={mine}")
    other = draw(tmp_path / "other", _0=3, _1=3)
    found = evaluated(capsys, str(tmp_path / "run"), "--data", "image_folder", "--root", str(other))
    assert [sum(row) for row in cast(list[list[int]], found["confusion_matrix"])] == [3, 3, 0]
    assert found["notes"] == ["the model also knows none; image_folder has no images of these"]


def test_a_folder_that_can_not_be_asked_about(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, str(digits_run), "--data", "image_folder") == (
        f"{tmp_path}/pictures does not exist; it should hold one folder for each class, such as 0, 1, 2, with its "
        "pictures; name the folder with --root DIR"
    )
    mine = draw(tmp_path / "mine", _0=3)
    assert refused(capsys, str(digits_run), "--data", "image_folder", "--root", str(mine)) == (
        f"{mine} holds one class only, 0; there should be two or more folders, one for each class, called by its name"
    )
    long = "x" * 300
    assert refused(capsys, str(digits_run), "--data", "image_folder", "--root", long).endswith(
        f"File name too long: '{tmp_path / long}'; name the folder with --root DIR"
    )
