"""`python -m digits.evaluate RUN RUN …`: probabilities averaged, and what can't be averaged refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

import digits
from digits.config.types import Tree
from digits.data.datasets import read_dataset
from digits.evaluate import main
from tests.support.evaluations import PICTURES, evaluated
from tests.support.runs import train

QUICK = ("data=optdigits", "augment=none", "trainer=cpu", "trainer.max_epochs=1", "callbacks=none")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two nets after one epoch, of different kinds, that normalise differently."""
    folder = tmp_path_factory.mktemp("runs")
    mlp = train(folder / "mlp", *QUICK, "model=mlp", "model.hidden=[16]")
    cnn = train(folder / "cnn", *QUICK, "model=cnn", "model.stages=[[4],[4]]", "data.mean=0.3", "data.std=0.2")
    return str(mlp), str(cnn)


@pytest.fixture(scope="module")
def together(runs: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """What is left of both evaluated as one."""
    return left(tmp_path_factory.mktemp("together"), *runs)


@pytest.fixture(scope="module")
def alone(runs: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Tree]:
    """What is left of each evaluated on its own."""
    return [left(tmp_path_factory.mktemp("alone"), run) for run in runs]


def left(folder: Path, *arguments: str) -> Tree:
    assert main([*arguments, "--out", str(folder)]) == 0
    tree: Tree = json.loads((folder / "evaluation.json").read_text())
    return tree


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ensembles go into outputs/ of the folder one is in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def altered(run: str, copy: str, file: str, change: Callable[[Tree], None]) -> str:
    """A copy of a run, of which one file was changed."""
    shutil.copytree(run, copy)
    tree = json.loads(Path(copy, file).read_text())
    change(tree)
    Path(copy, file).write_text(json.dumps(tree))
    return copy


def with_data(**values: object) -> Callable[[Tree], None]:
    return lambda tree: cast(Tree, cast(Tree, tree["config"])["data"]).update(cast(Tree, values))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert not Path("outputs").exists()
    return err.removesuffix("\n")


# ---- What it says -----------------------------------------------------------------------------------


def test_the_mean_of_the_probabilities_is_reported_like_one_net(runs: tuple[str, str], together: Tree) -> None:
    arrays = read_dataset("optdigits", "unused", None)
    images, labels = torch.from_numpy(arrays.test_images), arrays.test_labels
    with torch.no_grad():
        logits = [digits.load(run)(images).numpy().astype(np.float64) for run in runs]
    shares = [np.exp(each) / np.exp(each).sum(1, keepdims=True) for each in logits]
    mean = (shares[0] + shares[1]) / 2
    guesses = mean.argmax(1)
    assert (guesses != shares[0].argmax(1)).any(), "else the average would change nothing"
    assert (guesses != shares[1].argmax(1)).any(), "else the average would change nothing"

    assert together["correct"] == (guesses == labels).sum()
    assert together["loss"] == pytest.approx(-np.log(mean[np.arange(360), labels]).mean(), abs=1e-5)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, guesses), 1)
    assert together["confusion_matrix"] == counts.tolist()
    confidence = {m["index"]: m["confidence"] for m in cast(list[dict[str, float]], together["mistakes"])}
    for index, value in confidence.items():
        assert value == pytest.approx(mean[int(index)].max(), abs=1e-5)
    assert len(confidence) == 25


def test_each_member_is_told_as_it_is_alone(runs: tuple[str, str], together: Tree, alone: list[Tree]) -> None:
    assert (together["run"], together["views"]) == (None, 1)
    members = cast(list[Tree], together["members"])
    assert [(m["run"], m["net"], m["parameters"], m["mean"]) for m in members] == [
        (runs[0], "MLP", 12746, 0.156), (runs[1], "CNN", 954, 0.3)]  # fmt: skip
    for run, member, single in zip(runs, members, alone, strict=True):
        assert single["run"] == run
        assert (member["accuracy"], member["loss"]) == (single["accuracy"], single["loss"])
        assert single["members"] == [member]
        assert member["weights_sha256"] == json.loads(Path(run, "result.json").read_text())["weights"]


def test_what_a_person_reads(runs: tuple[str, str], alone: list[Tree], capsys: pytest.CaptureFixture[str]) -> None:
    """And where it lies: in the same folder, in whatever order the runs are named."""
    assert main(runs) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    first, second = (cast(float, tree["accuracy"]) for tree in alone)
    mean, sd = (first + second) / 2, abs(first - second) / np.sqrt(2)
    assert [lines[i].split() for i in (0, 2, 3, 4)] == [
        ["run", "net", "parameters", "accuracy"],
        [runs[0], "MLP", "12,746", f"{first:.2%}"],
        [runs[1], "CNN", "954", f"{second:.2%}"],
        ["mean", "±", "sd", f"{mean:.2%}", "±", f"{sd:.2%}"],
    ]
    assert lines[6] == "the mean of these 2 nets' probabilities: best weights on the test split of optdigits"
    assert lines[8].startswith("accuracy ")
    (folder,) = Path("outputs/evaluation").iterdir()
    assert last == f"pictures  {folder}"
    assert folder.name.startswith("optdigits-test-2nets-")
    assert {path.name for path in folder.iterdir()} == {*PICTURES, "evaluation.json"}
    again = evaluated(capsys, os.path.relpath(runs[1]), "--split", "test", runs[0])
    assert again["folder"] == str(folder)
    assert json.loads((folder / "evaluation.json").read_text()) == again


def test_the_last_checkpoints_are_averaged(
    runs: tuple[str, str], alone: list[Tree], capsys: pytest.CaptureFixture[str]
) -> None:
    """After one epoch they are the best ones; so one is changed."""
    copy = str(shutil.copytree(runs[0], "copy"))
    checkpoint = torch.load(Path(copy, "checkpoints/last.ckpt"), weights_only=True)
    for name in checkpoint["state_dict"]:
        checkpoint["state_dict"][name].zero_()
    torch.save(checkpoint, Path(copy, "checkpoints/last.ckpt"))
    found = evaluated(capsys, copy, runs[1], "--checkpoint", "last")
    blank, other = cast(list[Tree], found["members"])
    assert found["weights"] == "last"
    assert blank["loss"] == pytest.approx(np.log(10), abs=1e-6)
    assert other["loss"] == pytest.approx(alone[1]["loss"], abs=1e-6)
    assert blank["weights_sha256"] is None, "the record tells that of model.safetensors"
    assert "-last-" in str(found["folder"])


def test_views_are_recorded_and_have_a_folder_of_their_own(
    runs: tuple[str, str], alone: list[Tree], capsys: pytest.CaptureFixture[str]
) -> None:
    nine = evaluated(capsys, runs[0], "--views", "9")
    assert (nine["views"], nine["folder"]) == (9, f"{runs[0]}/evaluation/optdigits-test-9views")
    assert nine["loss"] != alone[0]["loss"]
    with pytest.raises(SystemExit, match="2"):
        main([runs[0], "--views", "2"])
    assert "argument --views: invalid choice: 2 (choose from 1, 5, 9)" in capsys.readouterr().err


def test_a_run_that_was_tested_by_views_is_evaluated_by_them(
    tmp_path: Path, runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What its result says is what `evaluate` finds; together with another, each answers by its own."""
    run = str(
        train(tmp_path / "run", *QUICK, "model=mlp", "model.hidden=[16]", "test_views=9", "data.eval_batch_size=70")
    )
    result = cast(dict[str, float], json.loads(Path(run, "result.json").read_text())["metrics"])
    nine, one = evaluated(capsys, run), evaluated(capsys, run, "--views", "1")
    assert (nine["views"], one["views"]) == (9, 1)
    assert result["test/accuracy"] == pytest.approx(nine["accuracy"], abs=1e-6)
    assert result["test/loss"] == pytest.approx(nine["loss"], rel=1e-5)
    assert nine["loss"] != pytest.approx(one["loss"], rel=1e-3)
    both = evaluated(capsys, run, runs[0])
    assert both["views"] is None
    assert [member["views"] for member in cast(list[Tree], both["members"])] == [9, 1]
    assert "-own-views-" in str(both["folder"])
    assert cast(list[Tree], both["members"])[0]["accuracy"] == nine["accuracy"]


def test_views_that_no_run_can_have_are_refused(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    broken = altered(runs[0], "broken", "result.json", lambda tree: cast(Tree, tree["config"]).update(test_views=10**9))
    why = refusal(capsys, broken)
    assert "test_views is 1000000000" in why
    assert "--views" in why


# ---- What can't be averaged ---------------------------------------------------------------------------


def test_a_run_counts_once(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("link").symlink_to(runs[0])
    assert refusal(capsys, *runs, "link") == f"{runs[0]} and link are the same run; name each net once"


def test_members_agree_on_data_and_classes(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    other = altered(runs[1], "mnist", "result.json", with_data(name="mnist"))
    said = f"{runs[0]} was trained on optdigits, mnist on mnist; name runs of one data set"
    assert refusal(capsys, runs[0], other) == said
    assert refusal(capsys, runs[0], other, "--data", "mnist") == said

    limited = altered(runs[1], "limited", "result.json", with_data(limit=100))
    assert refusal(capsys, runs[0], limited) == (
        f"{runs[0]} has data.limit=None, limited data.limit=100: they would be evaluated on different images; "
        "--data optdigits takes the whole set"
    )
    assert main([runs[0], limited, "--data", "optdigits"]) == 0
    shutil.rmtree("outputs")
    capsys.readouterr()

    def rename(tree: Tree) -> None:
        cast(Tree, tree["input"])["classes"] = list("0123456798")

    renamed = altered(runs[1], "renamed", "model.json", rename)
    assert refusal(capsys, runs[0], renamed) == (
        f"{runs[0]} has the classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, renamed has 0, 1, 2, 3, 4, 5, 6, 7, 9, 8; "
        "name runs with the same classes in the same order"
    )


@pytest.mark.parametrize(("key", "value"), [("split_seed", 7), ("val_size", 100)])
def test_nobody_is_validated_on_what_another_was_trained_on(
    runs: tuple[str, str], together: Tree, capsys: pytest.CaptureFixture[str], key: str, value: int
) -> None:
    other = altered(runs[1], "other", "result.json", with_data(**{key: value}))
    kept = {"split_seed": 0, "val_size": 180} | {key: value}
    said = (
        f"{runs[0]} and other have different validation splits (data.split_seed=0, data.val_size=180; "
        f"data.split_seed={kept['split_seed']}, data.val_size={kept['val_size']}), "
        "so one was trained on the other's validation images; use --split test"
    )
    assert refusal(capsys, runs[0], other, "--split", "val") == said
    assert refusal(capsys, runs[0], other, "--split", "val", "--data", "optdigits") == said
    assert evaluated(capsys, runs[0], other)["correct"] == together["correct"]


def test_the_validation_split_that_all_kept(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    everything = altered(runs[1], "everything", "result.json", with_data(val_size=0))
    assert refusal(capsys, runs[0], everything, "--split", "val") == (
        "everything has no validation split (data.val_size is 0); use --split test"
    )
    assert evaluated(capsys, *runs, "--split", "val")["images"] == 180


def test_a_fault_is_told_with_the_run_that_has_it(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    def poison(tree: Tree) -> None:
        cast(Tree, tree["model"])["_target_"] = "shutil.rmtree"

    stranger = altered(runs[1], "stranger", "model.json", poison)
    assert refusal(capsys, runs[0], stranger) == (
        "stranger: model.json names a class outside the trusted packages: shutil.rmtree; to allow it: --trust shutil"
    )

    def grow(tree: Tree) -> None:
        cast(Tree, tree["model"])["hidden"] = [10**9]

    large = altered(runs[0], "large", "model.json", grow)
    assert refusal(capsys, runs[1], large).startswith("large: the described net has 784,000,000,000 parameters")
    shutil.copytree(runs[1], "mixed")
    shutil.copy(Path(runs[0], "model.safetensors"), "mixed")
    assert refusal(capsys, runs[0], "mixed").startswith("mixed/model.safetensors ")
    assert refusal(capsys, runs[0], "nowhere").startswith("there is no directory nowhere")
