"""What goes into a recipe's record, and which runs are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.recipes import Recipe, changed, composed, differing
from benchmarks.records import RecordError, check_is_of, collect, compact, curves, described, read_record, threads
from digits.config.types import Tree
from digits.runs.read import read_result
from digits.runs.schema import RunRecord


@pytest.fixture
def runs(tiny_runs: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny_runs, tmp_path / "runs"))


def spoil(run: Path, **fields: object) -> None:
    """Change fields of a run's record."""
    path = run / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_folder_of_runs_becomes_a_record_with_a_line_each(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    collect(tiny, [runs], tmp_path)
    text = (tmp_path / "tiny.json").read_text()
    assert [line.startswith('  {"seed": ') for line in text.splitlines()].count(True) == 2
    assert str(runs) not in text  # a record holds no paths
    record = read_record("tiny", tmp_path)
    results = [read_result(runs / f"seed{seed}") for seed in (0, 1)]
    metrics = [result.metrics for result in results]
    assert record.seeds == [0, 1]
    assert record.sample("metrics", "test/accuracy").values == pytest.approx([m["test/accuracy"] for m in metrics])
    assert [line["weights"] for line in record.runs] == [result.weights for result in results]
    assert differing(record.config, composed(tiny.overrides)) == []


def test_runs_can_be_added_and_the_same_run_counts_once(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    collect(tiny, [runs / "seed1"], tmp_path)
    assert collect(tiny, [runs / "seed0", runs / "seed1"], tmp_path).seeds == [0, 1]
    assert read_record("tiny", tmp_path).seeds == [0, 1]


def test_another_run_with_the_same_seed_is_refused_and_anew_replaces(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    collect(tiny, [runs], tmp_path)
    spoil(runs / "seed0", started="2026-01-01T00:00:00+00:00")
    with pytest.raises(RecordError, match="seed0 has seed 0, and another run has it already; each seed counts once"):
        collect(tiny, [runs / "seed0"], tmp_path)
    assert collect(tiny, [runs / "seed0"], tmp_path, anew=True).seeds == [0]


def test_a_run_of_another_configuration_is_refused_with_its_keys(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    other = replace(tiny, overrides=(*tiny.overrides, "optimizer.lr=0.5", "augment=affine"))
    with pytest.raises(RecordError, match=r"not of this recipe: it has another optimizer\.lr, .*augment\.affine\.degr"):
        collect(other, [runs / "seed0"], tmp_path)
    assert not (tmp_path / "tiny.json").exists()


def test_where_a_run_lay_and_what_it_ran_on_makes_no_other_recipe(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    elsewhere = ("data.root=elsewhere", "trainer=cpu", "checkpoints=best", "seed=7")
    spoil(runs / "seed0", config=composed((*tiny.overrides, *elsewhere)), seed=7)
    assert collect(tiny, [runs / "seed0"], tmp_path).seeds == [7]


def test_unfinished_and_lengthened_runs_are_refused_all_at_once(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    spoil(runs / "seed0", status="interrupted")
    spoil(runs / "seed1", lengthened=[1])
    with pytest.raises(RecordError) as refused:
        collect(tiny, [runs, tmp_path / "nothing"], tmp_path)
    first, second, third = str(refused.value).splitlines()
    assert first.endswith(f"is interrupted, not done; go on with it: python -m digits.train resume={runs / 'seed0'}")
    assert second.endswith("was first given another length and went on; train it anew in one length")
    assert third.endswith("nothing holds no run: there is no result.json in it, at any depth")


def test_a_record_of_a_changed_recipe_wants_to_be_begun_anew(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    record = collect(tiny, [runs], tmp_path)
    check_is_of(record, composed(tiny.overrides))
    with pytest.raises(RecordError, match=r"tiny\.json was made with another optimizer\.lr.*; begin it anew"):
        check_is_of(record, composed((*tiny.overrides, "optimizer.lr=0.5")))


def test_a_key_younger_than_the_record_counts_unless_it_has_its_default(tiny: Recipe) -> None:
    config = composed(tiny.overrides)
    trainer = config["trainer"]
    assert isinstance(trainer, dict)
    older: Tree = config | {"trainer": {key: value for key, value in trainer.items() if key != "ema_decay"}}
    assert changed(older, config) == []
    assert changed(older, composed((*tiny.overrides, "trainer.ema_decay=0.9"))) == ["trainer.ema_decay"]
    assert changed(config, composed((*tiny.overrides, "trainer.ema_decay=0.9"))) == ["trainer.ema_decay"]


def test_the_number_format_is_the_machines_where_the_recipe_leaves_it(tiny: Recipe) -> None:
    config = composed(tiny.overrides)
    trainer = config["trainer"]
    assert isinstance(trainer, dict)
    assert trainer["precision"] == "auto"
    for recorded, keys in (("bf16-mixed", []), ("32-true", []), ("16-mixed", ["trainer.precision"])):
        assert changed(config | {"trainer": trainer | {"precision": recorded}}, config) == keys


def test_changes_commits_days_and_threads_are_shown(tiny: Recipe, runs: Path, tmp_path: Path) -> None:
    spoil(runs / "seed0", commit={"id": "a" * 40, "dirty": False}, finished="2026-01-02T23:59:59+00:00")
    spoil(runs / "seed1", commit={"id": "b" * 40, "dirty": True}, finished="2026-01-03T00:00:01+00:00")
    lines = collect(tiny, [runs], tmp_path).runs
    assert [text[text.index("; 2026") :] for text in described(lines)] == [
        "; 2026-01-02, commit aaaaaaa",
        "; 2026-01-03, commit bbbbbbb with changes",
    ]
    (text,) = described([lines[1] | {"commit": lines[0]["commit"]}, lines[0]])
    assert text.endswith("; 2026-01-03, commit aaaaaaa"), "the day that the last run of a source ended"
    for line, count in zip(lines, (1, 2), strict=True):
        line["hardware"] = {"threads": count}
    assert threads(lines) == " (1 or 2 threads)"
    lines[0]["hardware"] = {}
    assert threads(lines) == ""


def test_curves_are_thinned_evenly_and_end_with_the_last_epoch() -> None:
    history: list[Tree] = [{"epoch": i, "train/loss": 1 / (i + 3), "train/images_per_second": 9.0} for i in range(120)]
    short = curves(history)
    assert short.keys() == {"epoch", "train/loss"}
    assert short["epoch"] == list(range(2, 120, 3))
    losses = short["train/loss"]
    assert isinstance(losses, list)
    assert (losses[0], losses[-1]) == (0.2, 0.008197)  # 1/5 and 1/122
    assert curves(history[:50])["epoch"] == list(range(50))
    assert curves([]) == {}


def test_a_record_keeps_no_checksums_and_no_overrides() -> None:
    short = compact(
        RunRecord.model_validate(
            {"seed": 1, "overrides": ["data.root=/home/me"], "data": {"train": 5, "checksums": {"a": "b"}}}
        )
    )
    assert short == {"seed": 1, "data": {"train": 5}}


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlp.json").write_text('{"seed": 0}')
    with pytest.raises(RecordError, match=r"mlp\.json is no record: it has no list of runs"):
        read_record("mlp", tmp_path)
