"""Evaluating and reporting from Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from digits.config.types import Tree
from digits.evaluating import judge, judge_pages
from digits.evaluating.plan import Question, folder_for, plan_all
from digits.hydra_app.data_sets import named_data_set
from digits.runs.report import read


def score(
    *runs: str | os.PathLike[str],
    split: Literal["test", "val"] = "test",
    data: str | None = None,
    root: str | Path | None = None,
    checkpoint: Literal["best", "last"] | None = None,
    views: int | None = None,
    out: str | Path | None = None,
    trust: Sequence[str] = (),
) -> Tree:
    """The scores of a run, or of several runs as one ensemble, as `python -m digits.evaluate RUN… --json` prints them.

    Without a run, of the latest that is done. Writes the same files. Raises `digits.runs.layout.RunError` where there
    is no such run, `digits.data.datasets.DataError` where the data can't be downloaded or read.
    """
    asked = Question(split, data, None if root is None else str(root), checkpoint, views, tuple(trust))
    members = plan_all([os.fspath(run) for run in runs], asked, named_data_set)
    folder = Path(out) if out is not None else folder_for(members, asked)
    [first, *_] = members
    return (judge_pages.judge(first, asked, folder) if first.detects else judge.judge(members, asked, folder)).tree


def rows(folder: str | os.PathLike[str] = "outputs") -> list[dict[str, object]]:
    """A dict for each run, as `python -m digits.report FOLDER --csv` prints them: overrides, status, seed, metrics.

    Raises `digits.runs.layout.RunError` where the folder holds no run.
    """
    return [
        {
            "run": str(row.path),
            "status": row.status,
            **({"reason": row.reason} if row.reason else {}),
            **dict(row.overrides),
            "seed": row.seed,
            **dict(row.figures),
        }
        for row in read(Path(folder))
    ]
