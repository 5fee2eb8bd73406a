"""Ablations: each part against the whole, the test set untouched, what is recorded not trained again."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import runs
from benchmarks.accuracy import __main__, ablations
from benchmarks.accuracy.ablations import (
    ABLATIONS,
    ALWAYS,
    Ablation,
    configurations,
    line,
    table,
    train_missing,
)
from benchmarks.recipes import BY_NAME, Recipe, RecipeError, composed
from benchmarks.records import Record, RecordError, collect, read_record
from benchmarks.runs import Job, TrainingError, only_run, side_by_side, source
from digits.config.types import Tree
from digits.runs.read import read_result, runs_in
from digits.runs.schema import RunRecord
from tests.benchmarks.conftest import TINY
from tests.support.records import a_run

SMALL = Ablation(
    "tiny",
    TINY,
    ("data.val_size=180", "trainer.max_epochs=1"),
    (("twice the learning rate", ("optimizer.lr=0.02",)),),
    seeds=1,
)


def test_parts_are_trained_once_and_what_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "source", lambda _: "source")  # else work on the sources meanwhile gives another folder
    record = train_missing(SMALL, 2, folder=tmp_path)
    assert {run["what"] for run in record.runs} == {"the whole recipe", "twice the learning rate"}
    for run in record.runs:
        metrics = run["metrics"]
        assert isinstance(metrics, dict)
        assert set(metrics) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}  # nothing of the test set
    kept = record.runs.pop()
    Record(record.path, record.config, [kept]).write()
    again = train_missing(SMALL, 1, folder=tmp_path)
    assert again.runs[0] == kept
    assert len(again.runs) == 2
    assert len(list(runs_in(tmp_path / "outputs"))) == 2  # what was done is not done again
    longer = replace(SMALL, length=(*SMALL.length, "trainer.max_epochs=2"))
    with pytest.raises(
        RecordError, match=r"ablations-tiny\.json was made with another trainer\.max_epochs; begin it anew"
    ):
        train_missing(longer, 1, folder=tmp_path)
    assert read_record("ablations-tiny", tmp_path).runs == again.runs


@pytest.mark.usefixtures("trained_here")
def test_seeds_of_a_recipe_are_trained_and_recorded(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    __main__.train_missing(replace(tiny, seeds=1), 1, anew=False, folder=tmp_path)
    record = read_record("tiny", tmp_path)
    assert record.seeds == [0]
    (run,) = runs_in(tmp_path / "outputs" / "benchmarks")
    assert record.runs[0]["weights"] == read_result(run).weights


def test_seeds_in_a_number_format_that_the_record_has_not_are_refused_before_they_are_trained(
    tiny: Recipe, tiny_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logistic regression is trained in float32 on every CPU."""
    monkeypatch.setattr(Job, "train", lambda *_: pytest.fail("trained"))
    record = collect(tiny, [tiny_runs / "seed0"], tmp_path)
    __main__.train_missing(replace(tiny, seeds=1), 1, anew=False, folder=tmp_path)
    record.runs[0]["precision"] = "bf16-mixed"
    record.write()
    with pytest.raises(
        RecordError, match=r"tiny\.json is of bf16-mixed, and this machine trains in 32-true; train the"
    ):
        __main__.train_missing(tiny, 1, anew=False, folder=tmp_path)


def test_a_training_that_fails_is_told_and_the_others_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Job((*TINY, "optimizer.lr=-1"), 0, tmp_path / "bad")
    good = Job((*TINY, "trainer.max_epochs=1"), 0, tmp_path / "good")
    done = []
    with pytest.raises(TrainingError, match="1 of 2 trainings failed"):
        done += [job for job, _ in side_by_side([bad, good], 1)]
    assert f"optimizer.lr=-1 seed=0 hydra.sweep.dir={bad.folder} ended with 2: see " in capsys.readouterr().err
    assert "optimizer.lr" in (bad.folder / "screen.log").read_text()
    assert [run.parent for run in runs_in(tmp_path)] == [tmp_path / "good"]


def test_a_folder_with_several_runs_is_told(tmp_path: Path) -> None:
    for name in ("0", "copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").touch()
    assert only_run(tmp_path / "0") == tmp_path / "0"
    with pytest.raises(TrainingError, match="should hold one run, but holds 2; move the others away"):
        only_run(tmp_path)


def test_runs_of_a_changed_source_have_a_folder_of_their_own(tmp_path: Path) -> None:
    def git(*command: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True, capture_output=True)

    assert source(tmp_path) == "unknown"
    (tmp_path / "digits").mkdir()
    code, new, elsewhere = tmp_path / "digits" / "a.py", tmp_path / "digits" / "b.py", tmp_path / "c.py"
    code.write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "m")
    clean = source(tmp_path)
    elsewhere.write_text("1")
    assert source(tmp_path) == clean, "what is neither in digits/ nor in conf/ changes no run"
    found = [clean]
    for file, text in ((code, "2"), (code, "3"), (new, "1"), (new, "2")):
        file.write_text(text)
        found.append(source(tmp_path))
    assert len(set(found)) == 5
    assert all(name.startswith(f"{clean}-") for name in found[1:])
    code.write_text("1")
    new.unlink()
    assert source(tmp_path) == clean


def test_a_run_that_was_tested_is_refused() -> None:
    result = a_run(0, 0.99) | {"history": [{"epoch": 0}]}
    with pytest.raises(RecordError, match="no dropout: the run was tested; ablations are judged by validation alone"):
        line(RunRecord.model_validate(result), "no dropout", ())


def test_the_last_epoch_counts_not_the_best() -> None:
    epoch: Tree = {"train/loss": 0.1, "train/accuracy": 0.9, "val/loss": 0.2, "val/accuracy": 0.97}
    result = a_run(0, 0.5) | {"metrics": dict(epoch), "history": [epoch, epoch | {"val/accuracy": 0.96}]}
    metrics = line(RunRecord.model_validate(result), "no dropout", ())["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["val/accuracy"] == 0.96


def test_the_table_compares_each_part_with_the_whole() -> None:
    whole, part = (SMALL.overrides(change) for change in ((), ("optimizer.lr=0.02",)))
    accuracies = [(whole, 0.990), (whole, 0.992), (part, 0.980), (part, 0.982), (("other",), 0.5)]
    runs = [
        a_run(i, 0.0) | {"overrides": [*typed], "metrics": {"val/accuracy": value}}
        for i, (typed, value) in enumerate(accuracies)
    ]
    config = composed(SMALL.overrides(()))
    text = table(replace(SMALL, seeds=3), Record(Path("ablations-tiny.json"), config, runs))
    assert text.splitlines()[-2:] == [
        "| the whole recipe |  | 2 of 3 | 99.10 ± 0.14 |  |",
        "| twice the learning rate | `optimizer.lr=0.02` | 2 of 3 | 98.10 ± 0.14 "
        "| -1.00 ± 0.14 points, above the seed noise |",
    ]
    assert "` (1 thread); A CPU" in text
    assert "since." not in text

    timed = table(replace(SMALL, timed=True), Record(Path("ablations-tiny.json"), config, runs)).splitlines()
    assert timed[-4:-1] == [
        "|  | overrides | seeds | seconds | validation, mean ± sd | against the whole |",
        "|---|---|---|---|---|---|",
        "| the whole recipe |  | 2 | 101 | 99.10 ± 0.14 |  |",
    ]

    former = composed((*SMALL.overrides(()), "data.batch_size=7"))
    text = table(replace(SMALL, seeds=3), Record(Path("ablations-tiny.json"), former, runs))
    assert "; 2026-11-23, commit ccccccc. The recipe has another data.batch_size since.\n" in text


def test_a_change_that_changes_nothing_is_refused() -> None:
    lists = replace(SMALL, parts=(("no averaging", ("trainer.ema_decay=null",)),))
    with pytest.raises(RecipeError, match=r"no averaging: trainer\.ema_decay=null makes it the same as the whole"):
        configurations(lists)


def test_a_change_that_cannot_be_is_told_as_the_command_would() -> None:
    with pytest.raises(RecipeError, match=r"optimizer\.lt: no such key"):
        configurations(replace(SMALL, parts=(("other", ("optimizer.lt=1",)),)))


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.name)
def test_the_lists_are_of_recipes_that_are_there(ablation: Ablation) -> None:
    own = {"speedrun": ("experiment=speedrun",)}  # it has a script of its own
    assert ablation.recipe == (own.get(ablation.name) or BY_NAME[ablation.name].overrides)
    for _, config in configurations(ablation).values():
        data = config["data"]
        assert isinstance(data, dict)
        assert (data["val_size"], config["test"]) == (5000, False)
    assert ablations.BY_RECIPE[ablation.name] is ablation


def test_parts_whose_seconds_are_told_are_trained_one_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="tiny's seconds are told, so its parts are trained one at a time: --jobs 1"):
        train_missing(replace(SMALL, timed=True), 2, folder=tmp_path)


def test_no_ablation_looks_at_the_test_set() -> None:
    assert "test=false" in ALWAYS
