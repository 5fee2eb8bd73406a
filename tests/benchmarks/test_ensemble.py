"""Ensembles: what is recorded of one, which are refused, and how that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy.ensemble import (
    entry,
    evaluated,
    main,
    table,
)
from benchmarks.records import RecordError
from digits.config.types import Tree

KNOWN = {"aa": "cnn_best", "bb": "cnn_best", "cc": "mlp_best"}


def evaluation(*weights: str) -> Tree:
    members: list[Tree] = [
        {"run": f"runs/{name}", "weights_sha256": name, "accuracy": 0.99 + 0.001 * i, "net": "CNN"}
        for i, name in enumerate(weights)
    ]
    figures: Tree = {"accuracy": 0.997, "correct": 9970, "images": 10_000, "loss": 0.01, "calibration_error": 0.002}
    return {**figures, "views": 1, "members": list(members), "folder": "somewhere/else"}


def test_an_ensemble_is_recorded_with_its_members() -> None:
    line = entry(evaluation("aa", "bb"), KNOWN)
    assert line["members"] == [
        {"recipe": "cnn_best", "weights": "aa", "accuracy": 0.99},
        {"recipe": "cnn_best", "weights": "bb", "accuracy": 0.991},
    ]
    assert "folder" not in line  # it is a place on somebody's machine
    assert "| five | 2 cnn_best | 99.05 ± 0.07 | **99.70%** | 30 |" in table({"five": line}, KNOWN)


def test_nets_of_a_recipe_that_was_recorded_anew_are_told_from_its_present_ones() -> None:
    line = entry(evaluation("aa", "bb", "cc"), KNOWN)
    now = {name: recipe for name, recipe in KNOWN.items() if name != "cc"}
    assert "| 2 cnn_best, 1 mlp_best of a former record |" in table({"three": line}, now)


def test_no_seed_of_a_recipe_may_be_left_out() -> None:
    with pytest.raises(RecordError, match="1 recorded runs of cnn_best are not named; take all, since none is"):
        entry(evaluation("aa", "cc"), KNOWN)


def test_a_net_counts_once() -> None:
    with pytest.raises(RecordError, match="two of the runs have the same weights; name each net once"):
        entry(evaluation("aa", "bb", "bb"), KNOWN)


def test_a_net_of_no_record_is_refused() -> None:
    with pytest.raises(RecordError, match=r"runs/dd is in no record; collect it with benchmarks\.accuracy first"):
        entry(evaluation("aa", "bb", "dd"), KNOWN)


def test_views_reach_the_evaluation(tiny_runs: Path) -> None:
    found = evaluated([str(tiny_runs / "seed0"), str(tiny_runs / "seed1")], views=5)
    assert found["views"] == 5
    assert ", 5 views |" in table({"two": entry(evaluation("aa", "bb") | {"views": 5}, KNOWN)}, KNOWN)


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (["runs/five"], "'runs/five' is no name with its runs; write NAME=RUN or NAME=RUN,RUN", "2"),
        (["five=nowhere"], "nowhere", "1"),
    ],
)
def test_what_cannot_be_an_ensemble_is_told_in_a_sentence_and_nothing_is_written(
    arguments: list[str],
    told: str,
    code: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match=code):
        main(arguments, tmp_path / "ensembles.json")
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert list(tmp_path.iterdir()) == []
