"""What is left out of a comparison of two trees, how differences are told, and which commands need which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.trees.cases import JOBS, LATER, WORK, cases, chosen
from benchmarks.trees.inputs import as_experiment, make
from benchmarks.trees.masks import MASK, Places, flat, masked, masked_csv
from benchmarks.trees.outcome import outcomes_of
from benchmarks.trees.verdict import judge, rows_of

HEAD = "0123456789abcdef0123456789abcdef01234567"
BASE = Places(Path("/a/base/tree"), Path("/a/base/folder"), HEAD)
HERE = Places(Path("/b/tree"), Path("/c/folder"), HEAD[::-1])

TABLE = """
overrides      n    val/accuracy    seconds
-----------  ---  --------------  ---------
model=mlp      2         78.90 %     {seconds}

2 runs on a CPU, 1 thread; commit {commit} ({state})
"""


TRIALS = """
  rank  trial        lr    seconds  state
------  -----  --------  ---------  --------
     1      4     0.015  {:>9}  complete
            2            {:>9}  pruned
"""


ERROR = """Traceback (most recent call last):
  File "{}", line {}, in start
    fail()
{}: it failed
"""


def test_a_column_that_says_how_fast_may_stand_anywhere() -> None:
    assert masked(TRIALS.format(0.4, 0.2), BASE) == masked(TRIALS.format(10.4, 0.3), HERE)
    assert f"0.015  {MASK}  complete" in masked(TRIALS.format(0.4, 0.2), BASE)
    assert f"2  {MASK}  pruned" in masked(TRIALS.format(0.4, 0.2), BASE)
    assert masked(TRIALS.format(0.4, 0.2), BASE) != masked(TRIALS.format(0.4, 0.2).replace("0.015", "0.016"), BASE)


def test_what_follows_from_time_speed_and_place_is_left_out() -> None:
    base = TABLE.format(seconds="  9.7", commit=HEAD[:7], state="clean")
    here = TABLE.format(seconds="1,210.4", commit=HEAD[::-1][:7], state="with changes").replace("-----  ", "-------  ")
    assert masked(base, BASE) == masked(here, HERE)
    assert "78.90 %" in masked(base, BASE)
    lines = [
        ("2026-01-02 03:04:05,678 INFO /a/base/folder/run", "2027-02-03 04:05:06,789 INFO /c/folder/run"),
        ("epoch 1/2  loss 0.5  9,624 images/s", "epoch 1/2  loss 0.5  71.5 images/s"),
        ("is still running (process 7 on one)", "is still running (process 8 on another)"),
        ("File /a/base/tree/digits/train.py", "File /b/tree/digits/train.py"),
        ("2026-01-02 03:04:05,678 INFO digits.a.job: done", "2026-01-02 03:04:05,678 INFO digits.b: done"),
        (
            ERROR.format("/a/base/tree/digits/a.py", 3, "digits.a.OwnError"),
            ERROR.format("/b/tree/c.py", 4, "digits.OwnError"),
        ),
    ]
    for one, other in lines:
        assert masked(one, BASE) == masked(other, HERE)
    assert masked(lines[-1][0], BASE) == "Traceback\nOwnError: it failed"
    assert masked("loss 0.5", BASE) != masked("loss 0.6", BASE)


def test_columns_of_a_csv_that_say_how_fast_are_written_over() -> None:
    text = "status,val/loss,seconds\ndone,0.25,{}\nfailed,,\n"
    assert masked_csv(text.format(3.5))[0] == {"status": "done", "val/loss": "0.25", "seconds": MASK}
    assert masked(text.format(3.5), BASE) == masked(text.format(12.25), HERE)
    assert masked(text.format(3.5), BASE) != masked(text.format(3.5).replace("0.25", "0.5"), BASE)


def test_plain_data_is_compared_by_its_leaves() -> None:
    one = {"seed": 1, "config": {"lr": 0.1, "root": "/a/base/folder/data"}, "seconds": {"fit": 3.0}, "pid": 5}
    other = {"pid": 6, "seconds": {"fit": 4.0}, "config": {"root": "/c/folder/data", "lr": 0.1}, "seed": 1.0}
    assert flat(one, BASE) == flat(other, HERE)
    assert flat(one, BASE)["config root"] == "FOLDER/data"
    for key, value in (("seed", True), ("seed", 2), ("config", {}), ("seconds", {})):
        assert flat(one | {key: value}, BASE) != flat(other, HERE)
    assert flat({"a": [1, 2]}, BASE) != flat({"a": [1]}, BASE)


def test_all_that_a_folder_holds_is_compared_run_by_run(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run / "checkpoints").mkdir(parents=True)
        (tmp_path / run / "result.json").write_text(json.dumps({"status": "done", "started": "today"}))
        (tmp_path / run / "checkpoints" / "weights.bin").write_bytes(run.encode())
    (tmp_path / "b" / "broken.json").write_text("{")
    (tmp_path / "multirun.yaml").write_text("a: [1]\n")
    found = outcomes_of("sweep", tmp_path, BASE)
    assert list(found) == ["sweep", "sweep a", "sweep b"]
    assert found["sweep"] == {"multirun.yaml: a": "1 of them", "multirun.yaml: a 0": "1"}
    assert found["sweep a"]["result.json: status"] == "done"
    assert found["sweep a"]["result.json: started"] == MASK
    assert found["sweep a"]["checkpoints/weights.bin"] != found["sweep b"]["checkpoints/weights.bin"]
    assert found["sweep b"]["broken.json"].startswith("WRONG: can't be read: JSONDecodeError")


def test_a_difference_is_told_with_its_reason_if_it_is_wanted() -> None:
    base = {"same": {"x": "1"}, "log": {"exit code": "0", "stdout": "a\nb\nc"}, "text": {"stderr": "old"}, "gone": {}}
    here = {"same": {"x": "1"}, "log": {"exit code": "1", "stdout": "a\nB\nc"}, "text": {"stderr": "new"}}
    wanted = {"text": "reworded", "log: stdout": "capital letters"}
    verdicts = judge(base, here, wanted)
    table = [["same", "equal"], ["log", "differs"], ["text", "differs, wanted: reworded"], ["gone", "differs"]]
    assert rows_of(verdicts) == table
    assert [verdict.holds for verdict in verdicts] == [True, False, True, False]
    assert verdicts[1].differences == ("exit code:", "  -0", "  +1", "stdout:", "  -b", "  +B")
    assert verdicts[3].differences == ("only the base has it",)
    (only_stdout,) = judge({"log": base["log"]}, {"log": base["log"] | {"stdout": "a\nB\nc"}}, wanted)
    assert only_stdout.text == "differs, wanted: capital letters"
    (any_row,) = judge({"text": base["text"]}, {"text": here["text"]}, {"*: std*": "reworded"})
    assert any_row.holds


def test_what_is_wrong_in_both_trees_is_not_equal() -> None:
    both = {"run": {"status": "WRONG: failed, not done"}}
    (verdict,) = judge(both, both, {})
    assert not verdict.holds


def test_a_named_command_brings_what_it_needs() -> None:
    jobs, others = chosen(["resume", "taught"], cases([]))
    assert jobs == ["mlp", "tiny", "whole", "taught"]
    assert [case.name for case in others] == ["interrupted", "resume"]
    jobs, others = chosen([], cases(["cnn_best"]))
    assert jobs == [*JOBS, *LATER]
    assert "configuration experiment cnn_best" in [case.name for case in others]
    with pytest.raises(ValueError, match="there is no nothing; there are logistic, "):
        chosen(["nothing"], cases([]))


def test_what_is_needed_comes_before() -> None:
    names = [*JOBS, *LATER, *(case.name for case in cases([]))]
    assert len(names) == len(set(names))
    for case in WORK:
        assert all(names.index(need) < names.index(case.name) for need in case.needs)


def test_overrides_become_an_experiment() -> None:
    text = as_experiment(("model=tiny", "augment=[warp,erase]", "data=mnist", "data.limit=5", "data.limit=7", "seed=0"))
    assert text.startswith("# @package _global_\n")
    defaults = [{"override /model": "tiny"}, {"override /augment": ["warp", "erase"]}, {"override /data": "mnist"}]
    assert yaml.safe_load(text) == {"defaults": defaults, "data": {"limit": 7}, "seed": 0}


def test_both_trees_are_given_the_same(tmp_path: Path) -> None:
    for name in ("base", "here"):
        (tmp_path / name).mkdir()
        make(tmp_path / name, {"tiny": JOBS["tiny"]})
    one, other = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("base", "here")
    )
    assert one == other
    assert Path("mine/experiment/tiny.yaml") in one
