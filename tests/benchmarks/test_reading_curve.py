"""`python -m benchmarks.reading.curve RUN`: the epochs of a record as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reading.curve import as_text
from digits.runs.layout import RunError
from digits.runs.read import read_result
from digits.runs.schema import RunRecord

RECORDED = Path(__file__).parents[1] / "recorded"


def test_a_line_for_each_epoch() -> None:
    epochs = [
        {
            "epoch": i,
            "train/pages": 0.7,
            "val/pages": pages,
            "val/recall": 0.9,
            "val/precision": 0.98,
            "val/accuracy": 0.95,
        }
        for i, pages in enumerate((0.5, 0.625))
    ]
    text = as_text(RunRecord.model_validate({
        "history": epochs, "epoch": 1, "metrics": {"test/pages": 0.6}, "hardware": {"cpu": "a processor", "threads": 2},
        "overrides": ["experiment=page_reader", "data.root=/secret", "init_from=/secret/model.safetensors"],
        "versions": {"python": "3.11", "torch": "2.15.0"}, "commit": {"id": "0123456789", "dirty": False},
        "finished": "2026-11-30T19:12:44+00:00",
    }))  # fmt: skip
    assert text.startswith("`python -m digits.train experiment=page_reader init_from=model.safetensors`: ")
    assert "| 1 | 70.0% | 50.0% | 90.0% | 98.0% | 95.0% |\n| 2 | 70.0% | 62.5% |" in text
    assert "Epoch 2 was kept; it reads 60.0% of the test pages" in text
    assert text.endswith("a processor, 2 threads; Python 3.11, torch 2.15.0; 2026-11-30, commit 0123456.")


def test_a_classifiers_run_is_refused() -> None:
    with pytest.raises(RunError, match="name a run of experiment=page_reader"):
        as_text(read_result(RECORDED / "done"))
