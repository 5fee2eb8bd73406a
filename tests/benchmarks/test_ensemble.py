from __future__ import annotations

import pytest

from benchmarks.ensemble import entry, table
from benchmarks.records import RecordError
from digits.config.tree import Tree

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
    assert "| five | 2 cnn_best | 99.05 ± 0.07 | **99.70%** | 30 | ≥ 99.83% |" in table({"five": line})


def test_no_seed_of_a_recipe_may_be_left_out() -> None:
    with pytest.raises(RecordError, match="cnn_best has 2 recorded runs, but 1 are named; take all, since none is"):
        entry(evaluation("aa", "cc"), KNOWN)


def test_a_net_of_no_record_is_refused() -> None:
    with pytest.raises(RecordError, match=r"runs/dd is in no record; collect it with benchmarks\.accuracy first"):
        entry(evaluation("aa", "bb", "dd"), KNOWN)
