"""Searches as a person starts them, small enough to be killed often, and what has to be true of them at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from digits.runs.read import read_result
from digits.tuning.results import outcome_of
from digits.tuning.storage import counted, read_search
from tests.support.commands import Started, start

SMALL = (
    *("data=optdigits", "data.limit=200", "model=logistic", "trainer=cpu", "trainer.max_epochs=2", "augment=none"),
    *("tune.heartbeat=1", "pruner=none", "tune.test=false"),
)
"""optdigits, so that no trial lasts; a heartbeat that is old after three seconds."""


def begin(cwd: Path, *overrides: str, fresh: bool = False) -> Started:
    """Start a search, and go on at once."""
    return start("tune", *SMALL, *overrides, cwd=cwd, join_stderr=True, fresh=fresh)


def end(search: Started, timeout: float = 240) -> str:
    """Wait for a search that has to end well; what it said."""
    said, _ = search.communicate(timeout=timeout)
    assert search.returncode == 0, said
    return said


def wait_for(something: Callable[[], bool], search: Started, timeout: float = 240) -> None:
    """Until something is so, while a search runs."""
    deadline = time.monotonic() + timeout
    while not something():
        assert search.poll() is None, search.communicate()[0]
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def check_whole(study: Study, directories: list[Path], trials: int) -> list[FrozenTrial]:
    """No trial lost, none counted twice, none drawn twice, and each figure in the study that of a run's record."""
    found = counted(study.get_trials())
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * trials
    names = [str(trial.user_attrs["directory"]) for trial in found]
    assert len(set(names)) == trials, "two trials in one directory"
    assert len({tuple(sorted(trial.params.items())) for trial in found}) == trials, "drawn twice"
    assert len(outcome_of(study).trials) == trials
    for trial, name in zip(found, names, strict=True):
        places = [directory / name for directory in directories if (directory / name / "result.json").exists()]
        records = [read_result(place) for place in places]
        done = [record.metrics for record in records if record.status == "done"]
        assert trial.values[0] in [metrics["val/accuracy"] for metrics in done]
    return found


def study_in(directory: Path, storage: str | None = None) -> Study:
    """The study of a search."""
    return read_search(directory, storage)
