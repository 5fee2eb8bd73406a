"""What a signal does, where it comes in. That a run goes on exactly: test_resume.py; real processes: tests/commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias, cast

import pytest
import torch

from digits.config.check import check
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.processes.signals import SAME, Debouncer, Interrupted, Relay, Signals, handle_in_search
from digits.runs.layout import LAST
from digits.runs.read import read_result
from digits.training.job import run_job

User: TypeAlias = Callable[[], AbstractContextManager[None]]


def test_a_signal_is_told_at_once() -> None:
    with pytest.raises(Interrupted) as left, Signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert left.value.code == 130


def test_a_signal_that_is_held_is_told_later() -> None:
    with Signals() as signals:
        signals.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(Interrupted) as left:
            signals.release()
    assert left.value.code == 143


def test_the_former_handlers_come_back() -> None:
    former = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Signals() as signals:
        signals.hold()
        assert signal.getsignal(signal.SIGTERM) != former[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == former


def test_a_second_signal_ends_the_process_on_the_spot() -> None:
    program = """
import os, signal
from digits.processes.signals import Signals
with Signals() as signals:
    signals.hold()
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never said", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "still here\n")


# ---- A second signal, or the first once more ----------------------------------------------------


@contextmanager
def a_run() -> Iterator[None]:
    with Signals() as signals:
        signals.hold()
        yield


@contextmanager
def a_search() -> Iterator[None]:
    with handle_in_search(lambda _: None):
        yield


@contextmanager
def a_relay() -> Iterator[None]:
    with Relay().to(os.getpid()):
        yield


@pytest.mark.parametrize("user", [a_run, a_search, a_relay])
@pytest.mark.parametrize(
    ("number", "after", "is_second"),
    [
        (signal.SIGTERM, 0.0, set()),
        (signal.SIGTERM, SAME - 0.01, set()),
        (signal.SIGTERM, SAME, {a_run, a_search, a_relay}),
        (signal.SIGTERM, 3600.0, {a_run, a_search, a_relay}),
        (signal.SIGINT, 0.0, {a_run}),  # a search ends its jobs with SIGTERM, which may come on top of a Ctrl-C
        (signal.SIGINT, SAME, {a_run, a_search, a_relay}),
    ],
)
def test_all_who_handle_signals_agree_on_what_a_second_one_is(
    monkeypatch: pytest.MonkeyPatch, user: User, number: signal.Signals, after: float, is_second: set[User]
) -> None:
    now, acted = 0.0, list[int]()
    monkeypatch.setattr("digits.processes.signals.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("digits.processes.signals.RECEIVED", Debouncer())
    monkeypatch.setattr(os, "_exit", acted.append)
    monkeypatch.setattr(os, "kill", lambda _, forwarded: acted.append(forwarded))
    with user():
        signal.raise_signal(signal.SIGTERM)
        before = len(acted)
        now = after
        signal.raise_signal(number)
    assert len(acted) - before == (user in is_second)


def test_a_third_signal_counts_from_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("digits.processes.signals.time", SimpleNamespace(monotonic=lambda: now))
    signals, counts = Debouncer(), list[int]()
    for now in (0.0, 0.9 * SAME, 1.1 * SAME, 2.0 * SAME, 2.2 * SAME):  # noqa: B007 (the clock reads it)
        counts.append(signals.count(signal.SIGTERM))
    assert counts == [1, 0, 2, 0, 3]


# ---- On a SLURM cluster ---------------------------------------------------------------------------


@pytest.mark.parametrize("array", [False, True])
def test_slurm_is_asked_to_start_the_job_again(
    experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, array: bool
) -> None:
    """`scontrol` is a script of the test's own that writes down what it was asked for."""
    asked = tmp_path / "asked"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(scontrol.parent), prepend=os.pathsep)
    variables = {"SLURM_JOB_ID": "123", "SLURM_JOB_NAME": "digits", "SLURM_NTASKS": "1", "SLURM_PROCID": "0",
                 "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NTASKS_PER_NODE": "1"}  # fmt: skip
    for name, value in (
        variables | ({"SLURM_ARRAY_JOB_ID": "120", "SLURM_ARRAY_TASK_ID": "7"} if array else {})
    ).items():
        monkeypatch.setenv(name, value)
    config = experiment("data.batch_size=128", "data.limit=640")
    tree = config.tree()
    bomb: Tree = {"_target_": "tests.support.bomb.Bomb", "hook": "train", "at": 3, "signal_name": "SIGUSR1"}
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        run_job(check(tree | {"callbacks": cast(Tree, tree["callbacks"]) | {"bomb": bomb}}), run, [])
    assert asked.read_text() == ("requeue 120_7\n" if array else "requeue 123\n")
    assert read_result(run).status == "interrupted"
    assert torch.load(run / LAST, weights_only=True)["global_step"] == 3
    run_job(check(tree | {"resume": str(run)}), run, [])
    assert read_result(run).status == "done"
