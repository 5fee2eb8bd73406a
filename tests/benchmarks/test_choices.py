"""What settings were chosen by: runs that kept images back and never saw the test set."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from benchmarks.accuracy import choices
from benchmarks.accuracy.choices import add, line, main, section, table
from benchmarks.recipes import composed
from benchmarks.records import Record, RecordError, read_record
from digits import evaluate
from digits.config.check import check
from digits.config.types import Tree
from digits.runs.read import read_result
from digits.training.job import run_job
from tests.benchmarks.conftest import TINY
from tests.support import records


def a_run(folder: Path, *overrides: str) -> Path:
    given = [*TINY, *overrides]
    run_job(check(composed(tuple(given))), folder, given)
    return folder


def evaluated(command: str, *arguments: str) -> str:
    """What the command prints, here without a process of its own."""
    assert command == "digits.evaluate"
    with redirect_stdout(StringIO()) as printed:
        assert evaluate.main(arguments) == 0
    return printed.getvalue()


def test_a_run_is_recorded_by_its_last_epoch_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "output_of", evaluated)
    run = a_run(tmp_path / "run", "test=false")
    main(["tiny", "as it is", str(run)], tmp_path, names=["tiny"])
    (recorded,) = read_record("tiny-choice", tmp_path).runs
    history, views = recorded["history"], recorded["views"]
    assert isinstance(history, dict)
    assert isinstance(views, dict)
    assert history["val/accuracy"][-1] == pytest.approx(views["1"], abs=1e-4)  # type: ignore[index]  # a list, in JSON
    text = capsys.readouterr().out
    assert text.strip() in section(tmp_path)
    told = [override for override in (*TINY, "test=false") if not override.startswith("logger")]  # may hold secrets
    typed = " ".join(f"`{override}`" for override in told)
    commit = str(read_result(run).commit.id)[:7]
    assert f"| as it is | {typed} | {commit} | 180 | 2 | " in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (("test=false", "data.val_size=0"), "kept no images back to choose by; train it with data.val_size=10000"),
        ((), "was tested; choices are made by validation alone, with test=false"),
    ],
)
def test_what_nothing_can_be_chosen_by_is_refused(overrides: tuple[str, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=told):
        line("other", a_run(tmp_path / "run", *overrides))


def test_runs_of_other_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "by", lambda *_: 0.9)
    run = a_run(tmp_path / "run", "test=false")
    for what in ("one", "two", "one"):
        record = add("tiny", what, run, tmp_path)
    assert [run["what"] for run in record.runs] == ["two", "one"]


def test_a_choice_of_no_recipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["mlp_bets", "48 epochs", "nowhere"])
    assert "invalid choice: 'mlp_bets'" in capsys.readouterr().err


def test_views_that_were_not_measured_are_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "by", lambda *_: 0.9)
    record = add("tiny", "one", a_run(tmp_path / "run", "test=false"), tmp_path)
    record.runs[0]["views"] = {"1": 0.9}
    assert table(record).endswith("| 90.00 | – | – |")


def test_runs_of_one_machine_name_it_once_and_each_source_with_its_day() -> None:
    chosen: Tree = {"overrides": [], "views": {}}
    runs = [records.a_run(seed, 0.9) | chosen | {"what": str(seed)} for seed in (0, 1)]
    runs[1]["commit"] = {"id": "d" * 40, "dirty": False}
    text = table(Record(Path("tiny-choice.json"), runs=runs))
    where = "A CPU, 2 cores; Python 3.11, torch 2.15, lightning 2.6"
    assert f"\n{where}; 2026-11-20, commit ccccccc; 2026-11-21, commit ddddddd.\n" in text
