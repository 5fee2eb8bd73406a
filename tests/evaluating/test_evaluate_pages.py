"""`python -m digits.evaluate` of a page reader: the metrics that it was tested with, by layout, and clear refusals."""

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
from tests.support.runs import train

HERE = Path(__file__).parents[2]
NAMES = ("pages", "recall", "precision", "accuracy")


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> Tree:
    """What --json says; fails if anything else is on the standard output."""
    assert main([*arguments, "--json"]) == 0
    found: Tree = json.loads(capsys.readouterr().out)
    return found


def altered(run: Path, tmp_path: Path, change: Callable[[Tree], None]) -> Path:
    """A copy of a run whose recorded section `data` is another."""
    copy = tmp_path / "altered"
    shutil.copytree(run, copy)
    tree = json.loads((copy / "result.json").read_text())
    change(tree["config"]["data"])
    (copy / "result.json").write_text(json.dumps(tree))
    return copy


# ---- What is measured -------------------------------------------------------------------------------


@pytest.mark.usefixtures("drawn_mnist")
@pytest.mark.parametrize("split", ["test", "val"])
def test_the_metrics_are_those_of_training(eager_run: Path, split: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(eager_run), "--split", split)
    metrics, recorded = cast(dict[str, float], found["metrics"]), read_result(eager_run).metrics
    assert metrics == pytest.approx({name: recorded[f"{split}/{name}"] for name in NAMES}, abs=1e-6)
    assert 0 < metrics["recall"] < 1
    counts = cast(dict[str, int], found["counts"])
    assert counts["pages"] == 6
    assert metrics["recall"] == counts["hits"] / counts["sought"]
    layouts = cast(dict[str, dict[str, dict[str, int]]], found["layouts"])
    summed = {name: sum(layout["counts"][name] for layout in layouts.values()) for name in counts}
    assert summed == counts


@pytest.mark.usefixtures("drawn_mnist")
def test_it_leaves_pictures_and_what_it_printed(eager_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(eager_run), "--checkpoint", "last")
    folder = eager_run / "evaluation" / "pages-test-last"
    assert {path.name for path in folder.iterdir()} == {"evaluation.json", "pages.png", "worst_pages.png"}
    assert json.loads((folder / "evaluation.json").read_text()) == found
    assert (found["weights"], found["task"], found["net"]) == ("last", "detection", "Detector")
    for name in ("pages", "worst_pages"):
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.mode == "RGB"
            assert min(picture.size) > 300, "six pages in rows of four"


@pytest.mark.usefixtures("drawn_mnist")
def test_what_a_person_reads(eager_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, str(eager_run), "--out", str(tmp_path / "out"))
    assert main([str(eager_run), "--out", str(tmp_path / "out")]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{eager_run}: best weights on the test pages of pages"
    counts, metrics = cast(dict[str, int], found["counts"]), cast(dict[str, float], found["metrics"])
    low, high = cast(list[float], found["interval"])
    words = [line.split() for line in lines]
    assert [row[0] for row in words if row[:1] and row[0] in NAMES and "%" in row[1]] == [*NAMES]
    assert f"95% interval {low:.2%} to {high:.2%}; {counts['perfect']} of 6 read without a fault" in "\n".join(lines)
    assert any(row[:2] == ["recall", f"{metrics['recall']:.2%}"] for row in words)
    missed, wrong = counts["sought"] - counts["hits"], counts["hits"] - counts["correct"]
    assert ["all", *map(str, (counts["perfect"], 6, counts["sought"], missed, wrong, counts["false"]))] in words
    assert f"pictures  {tmp_path / 'out'}" in lines


@pytest.mark.usefixtures("drawn_mnist")
def test_another_number_of_the_same_pages(
    eager_run: Path, drawn_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training pages, which a machine may not have, are not composed for it; nor is anything twice."""
    run = altered(eager_run, tmp_path, lambda data: data.update({"pages": 10**6, "test_pages": 4}))
    folders = {path.name for path in (drawn_files / "pages").iterdir()}
    found = evaluated(capsys, str(run))
    assert cast(dict[str, int], found["counts"])["pages"] == 4
    assert {path.name for path in (drawn_files / "pages").iterdir()} == folders


# ---- Places that a record names -----------------------------------------------------------------------


@pytest.mark.usefixtures("drawn_mnist")
def test_nothing_is_composed_into_a_folder_that_a_record_names(
    eager_run: Path, drawn_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.mkdir()
    run = altered(eager_run, tmp_path, lambda data: data.update({"cache": str(elsewhere), "root": str(elsewhere)}))
    data = cast(Tree, evaluated(capsys, str(run))["data"])
    assert (data["root"], data["cache"]) == (str(drawn_files), str(drawn_files / "pages"))
    assert not list(elsewhere.iterdir())
    kept = tmp_path / "kept"
    shutil.copytree(drawn_files / "pages", kept)
    run = altered(eager_run, tmp_path / "second", lambda data: data.update({"cache": str(kept)}))
    assert cast(Tree, evaluated(capsys, str(run))["data"])["cache"] == str(kept), "where pages lie already"


# ---- Wrong questions ----------------------------------------------------------------------------------


def test_wrong_questions_are_answered_in_a_sentence_before_torch(eager_run: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from digits.evaluate import main; code = main(sys.argv[1:]); "
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )

    def answer(*arguments: str) -> str:
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.strip()

    trained = f"{eager_run} was trained for detection"
    assert answer(str(eager_run), "--views", "5") == (
        f"{trained}; only a classifier averages several views: leave out --views"
    )
    assert (
        answer(str(eager_run), "--data", "mnist") == f"{trained}, and mnist is not a data set for it; leave out --data"
    )
    other = tmp_path / "run"
    shutil.copytree(eager_run, other)
    assert answer(str(eager_run), str(other)) == f"{trained}; only classifiers are averaged or compared: name it alone"


def test_a_classifier_reads_no_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path / "run", "data=optdigits", "model=logistic", "augment=none", "trainer=cpu",
                "trainer.max_epochs=1", "callbacks=none")  # fmt: skip
    assert main([str(run), "--data", "pages"]) == 2
    assert capsys.readouterr().err == (
        f"{run} was trained for classification, and pages is not a data set for it; leave out --data\n"
    )
