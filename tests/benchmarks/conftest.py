"""Two finished runs of a recipe so small that it is trained in the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.recipes import Recipe, composed
from benchmarks.runs import Job, only_run
from digits.config.check import check
from digits.training.job import run_job

TINY = ("data=optdigits", "model=logistic", "trainer.max_epochs=2", "callbacks=none", "logger=none", "augment=none")


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    return Recipe("tiny", TINY, seeds=3, wanted=0.5)


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are trained in this process, and not each by a command, whose start takes longer than they do."""

    def train(job: Job, _threads: int | None = None) -> Path:
        overrides = (*job.overrides, f"seed={job.seed}")
        run_job(check(composed(overrides)), job.folder / "run", [*overrides])
        return only_run(job.folder)

    monkeypatch.setattr(Job, "train", train)


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory: pytest.TempPathFactory, tiny: Recipe) -> Path:
    """A folder with the runs of seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("tiny")
    for seed in (0, 1):
        overrides = (*tiny.overrides, f"seed={seed}")
        run_job(check(composed(overrides)), folder / f"seed{seed}", [*overrides])
    return folder
