"""The processes of a search, really killed and signalled; their trials wait, so that this takes no torch."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from digits.processes.descendants import descendants, name_of
from digits.processes.signals import NAME, SAME
from digits.tuning.storage import LEFT, counted, number_of, superseded
from tests.tuning.fakes import shared_in, tune_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes on Linux only")

TRIALS = 4

SEARCH = f"""
import logging, os, sys, time
from pathlib import Path
from digits.processes.child import die_with
from digits.processes.signals import Signals, handle_in_search
from digits.tuning.run import Workers
from tests.tuning.fakes import epoch_by_epoch, value_of, worker_in

def train(job):
    with Signals():
        job.report(1, value_of(job) / 4)
        (job.directory / "begun").touch()
        while Path("hold").exists():
            time.sleep(0.05)
    epoch_by_epoch(job)

die_with(int(sys.argv[1]))  # else a search whose trials wait would outlive tests that are cut off
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
worker = worker_in(Path(), train, trials={TRIALS}, retries=20)
workers = Workers(worker, 2, heartbeat=1)
with handle_in_search(workers.save):
    workers.run(worker.progress.show)
worker.progress.show()
print("\\n".join(worker.rows))
sys.exit(workers.code)
"""


def begin(directory: Path, *, hold: bool = True, script: str = SEARCH) -> subprocess.Popen[str]:
    """A search with two workers, in a process group of its own; the trials wait, unless they are not to."""
    if hold:
        (directory / "hold").touch()
    else:
        (directory / "hold").unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(os.getpid())],
        cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def end(search: subprocess.Popen[str], code: int = 0) -> str:
    said, _ = search.communicate(timeout=240)
    assert search.returncode == code, said
    assert "Traceback" not in said
    return said


def trials_of(directory: Path) -> list[FrozenTrial]:
    return shared_in(directory, tune_of()).study().get_trials()


def training(search: subprocess.Popen[str], directory: Path) -> dict[int, int]:
    """Each trial's process and its worker's, once two trials have reported something and wait."""
    deadline = time.monotonic() + 240
    while len(list(directory.glob("trials/*/begun"))) < 2:
        assert search.poll() is None, search.communicate()[0]
        assert time.monotonic() < deadline, "no two trials are trained at once"
        time.sleep(0.05)
    return {process: worker for process, worker in descendants(search.pid) if name_of(process) == NAME}


def check_whole(directory: Path) -> None:
    found = counted(trials_of(directory))
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * TRIALS
    assert len({trial.params["x"] for trial in found}) == TRIALS, "drawn twice"
    assert all(trial.values == [trial.params["x"]] for trial in found)


def alive(processes: list[int]) -> list[int]:
    """Those that have not ended ten seconds later."""
    deadline = time.monotonic() + 10
    while (left := [process for process in processes if name_of(process) and not _is_zombie(process)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    return left


def _is_zombie(process: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True


@pytest.mark.parametrize("victim", ["trial", "worker"])
def test_a_killed_process_costs_the_search_nothing(tmp_path: Path, victim: str) -> None:
    search = begin(tmp_path)
    trial, worker = next(iter(training(search, tmp_path).items()))
    os.kill(trial if victim == "trial" else worker, signal.SIGKILL)
    assert not alive([trial])
    (tmp_path / "hold").unlink()
    said = end(search)
    assert ("killed by signal 9" in said) == (victim == "trial")
    check_whole(tmp_path)
    (lost,) = superseded(trials_of(tmp_path))
    assert lost in {number_of(trial) for trial in counted(trials_of(tmp_path))}, "a trial keeps its number"


def test_nothing_outlives_a_killed_search_and_the_same_command_resumes_it(tmp_path: Path) -> None:
    search = begin(tmp_path)
    family = [process for pair in training(search, tmp_path).items() for process in pair]
    search.kill()
    search.communicate()
    assert not alive(family)
    end(begin(tmp_path, hold=False))
    check_whole(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_signal_reaches_every_trial_once(
    tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    """Sent to the search alone, or to its group as a terminal does."""
    search = begin(tmp_path)
    family = [process for pair in training(search, tmp_path).items() for process in pair]
    send(search.pid, number)
    end(search, 128 + number)
    assert not alive(family)
    trials = trials_of(tmp_path)
    assert [(trial.state, trial.user_attrs[LEFT]) for trial in trials] == [(TrialState.FAIL, "")] * 2


def test_a_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    search = begin(tmp_path)
    family = [process for pair in training(search, tmp_path).items() for process in pair]
    for process in family:  # so that none obeys the first
        os.kill(process, signal.SIGSTOP)
    search.send_signal(signal.SIGINT)
    time.sleep(SAME + 0.3)
    search.send_signal(signal.SIGINT)
    search.communicate(timeout=60)
    assert search.returncode == 130
    assert not alive(family)


def test_workers_that_die_before_they_have_a_trial_end_the_search(tmp_path: Path) -> None:
    """They are killed at once: for want of memory, say, or by a library that crashes when it is imported."""
    dying = SEARCH.replace("workers =", "worker.step = lambda: os.kill(os.getpid(), 9)\nworkers =")
    said = end(begin(tmp_path, hold=False, script=dying), code=1)
    assert "given up: 3 workers" in said
    assert "signal 9" in said
    assert trials_of(tmp_path) == []


@pytest.mark.reliability
def test_a_search_whose_processes_are_killed_at_random_loses_nothing(tmp_path: Path) -> None:
    draw = random.Random(0)
    search = begin(tmp_path, hold=False)
    for _ in range(12):
        time.sleep(draw.uniform(0.1, 1.5))
        family = [search.pid, *(process for process, _ in descendants(search.pid))]
        if search.poll() is None:
            os.kill(draw.choice(family), signal.SIGKILL)
        if search.poll() is not None:
            search.communicate()
            search = begin(tmp_path, hold=False)
    search.communicate(timeout=240)
    end(begin(tmp_path, hold=False))
    check_whole(tmp_path)
