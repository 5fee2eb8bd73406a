"""How far a sweep is, as its jobs print it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from digits.hydra_app import job
from digits.hydra_app.job import how_far, sweep_begins


class Sweep:
    """A clock, and how many jobs of a sweep have ended since it began, done and failed."""

    def __init__(self) -> None:
        self.seconds, self.done, self.failed = 1_000.0, 0, 0

    def told(self, seconds: float, done: int, failed: int = 0) -> str:
        """After so many seconds more."""
        self.seconds, self.done, self.failed = self.seconds + seconds, done, failed
        return how_far(Path("sweep"))


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """One of 12 jobs that are left."""
    found = Sweep()
    monkeypatch.setattr("time.time", lambda: found.seconds)
    monkeypatch.setattr(job, "ended_since", lambda *_: Counter(done=found.done, failed=found.failed, running=2))
    monkeypatch.setenv(job.SWEEP, "")
    sweep_begins(12)
    return found


def test_jobs_and_minutes_left_are_told(sweep: Sweep) -> None:
    assert sweep.told(20, 0) == "0 of 12 jobs done"
    assert sweep.told(100, 1) == "1 of 12 jobs done, about 22 min left"  # 11 more of 2 minutes
    assert sweep.told(120, 4) == "4 of 12 jobs done, about 8 min left"  # 8 more of 1 minute: several at once
    assert sweep.told(0, 11) == "11 of 12 jobs done, less than a minute left"
    assert sweep.told(10, 12) == "12 of 12 jobs done"


def test_failed_jobs_are_no_longer_left(sweep: Sweep) -> None:
    assert sweep.told(60, 0, failed=1) == "0 of 12 jobs done, 1 failed, about 11 min left"
    assert sweep.told(60, 9, failed=3) == "9 of 12 jobs done, 3 failed"


@pytest.mark.parametrize("inherited", [None, "", "12 x"])
def test_a_worker_that_knows_nothing_tells_nothing(
    sweep: Sweep, inherited: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if inherited is None:
        monkeypatch.delenv(job.SWEEP)
    else:
        monkeypatch.setenv(job.SWEEP, inherited)
    assert sweep.told(10, 2) == ""
