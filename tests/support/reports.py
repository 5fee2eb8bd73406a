"""Runs that are only a record, and what `digits.report` prints of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digits.report import main

METRICS = {"val/accuracy": 0.9, "test/accuracy": 0.8, "val/loss": 0.3, "train/loss": 0.2}


def write_run(
    path: Path, overrides: list[str], seed: int = 0, *, metrics: dict[str, float] | None = None, **fields: object
) -> Path:
    path.mkdir(parents=True)
    record = {
        "status": "done",
        "started": "2026-11-22T10:00:00+00:00",
        "finished": "2026-11-22T11:00:00+00:00",
        "overrides": overrides,
        "seed": seed,
        "metrics": METRICS if metrics is None else metrics,
        "parameters": 7850,
        "seconds": {"fit": 12.5, "total": 14.0},
        "images_per_second": 1000.5,
    }
    (path / "result.json").write_text(json.dumps(record | fields))
    return path


def write_unfinished(path: Path, **fields: object) -> Path:
    path.mkdir(parents=True)
    (path / "result.json").write_text(json.dumps({"overrides": [path.name], "seed": 0} | fields))
    return path


def output(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    main([str(argument) for argument in arguments])
    return capsys.readouterr().out
