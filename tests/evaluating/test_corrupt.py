"""`python -m digits.evaluate RUN --corrupt`: each corruption, one net or several, and what can't be corrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch

import digits
from digits.data.corruptions import KINDS, corrupt
from digits.data.datasets import read_dataset
from digits.evaluate import main
from digits.evaluating.members import check_corruptible
from digits.evaluating.plan import Question, plan
from digits.hydra_app.data_sets import named_data_set
from digits.runs.layout import RunError
from tests.support.evaluations import evaluated
from tests.support.runs import train

QUICK = ("data=optdigits", "augment=none", "trainer=cpu", "trainer.max_epochs=1", "callbacks=none", "test=false")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("runs")
    return [str(train(folder / model, *QUICK, f"model={model}")) for model in ("logistic", "mlp")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def accuracies_of(found: dict[str, object]) -> dict[str, float]:
    accuracies = found["accuracy"]
    assert isinstance(accuracies, dict)
    return accuracies


def test_every_corruption_is_measured_as_by_hand(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, runs[0], "--corrupt")
    accuracies = accuracies_of(found)
    assert [*accuracies] == ["none", *KINDS]
    assert found["mean"] == pytest.approx(fmean(accuracies[kind] for kind in KINDS))
    assert accuracies["none"] == evaluated(capsys, runs[0])["accuracy"]
    net, arrays = digits.load(runs[0]), read_dataset("optdigits", "", None)
    for kind in ("brightness", "shear"):
        images = corrupt(torch.from_numpy(arrays.test_images), kind, seed=0)
        with torch.no_grad():
            right = net(images[:, None]).argmax(1) == torch.from_numpy(arrays.test_labels)
        assert accuracies[kind] == pytest.approx(right.double().mean().item())
        assert accuracies[kind] < accuracies["none"]
    assert json.loads(Path(str(found["folder"]), "corrupted.json").read_text()) == found


def test_the_table_has_a_line_for_each(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([runs[0], "--corrupt", "--split", "val"]) == 0
    title, _, _, *rows = capsys.readouterr().out.splitlines()
    assert title == f"{runs[0]}: best weights on the val split of optdigits, corrupted"
    assert [row.split("  ")[0].strip() for row in rows if "%" in row] == ["none", *KINDS, "mean of the corruptions"]


def test_several_nets_are_averaged(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    together = evaluated(capsys, *runs, "--corrupt")
    assert together["runs"] == runs
    assert accuracies_of(together)["none"] == evaluated(capsys, *runs)["accuracy"]


def test_what_has_no_corruptions_is_refused(
    runs: list[str], eager_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(eager_run), "--corrupt"]) == 2
    assert "is a page detector; --corrupt is for classifiers of 28x28 pixels" in capsys.readouterr().err
    member = plan(runs[0], Question(), named_data_set)
    with pytest.raises(RunError, match="classifier of 32x32 pixels"):
        check_corruptible([replace(member, data=member.data.changed({"image_size": 32}))])


def test_comparing_and_corrupting_are_two_questions(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*runs, "--corrupt", "--compare"])
    assert "not allowed with argument" in capsys.readouterr().err
