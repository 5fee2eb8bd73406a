"""What a signal does, where it comes in. That a run goes on exactly: test_resume.py; real processes: tests/commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch

from digits.config.check import check
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.processes.signals import Interrupted, Signals
from digits.runs.layout import LAST
from digits.runs.read import read_result
from digits.training.job import run_job


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
    bomb: Tree = {"_target_": "tests.runs.bomb.Bomb", "hook": "train", "at": 3, "signal_name": "SIGUSR1"}
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        run_job(check(tree | {"callbacks": cast(Tree, tree["callbacks"]) | {"bomb": bomb}}), run, [])
    assert asked.read_text() == ("requeue 120_7\n" if array else "requeue 123\n")
    assert read_result(run)["status"] == "interrupted"
    assert torch.load(run / LAST, weights_only=True)["global_step"] == 3
    run_job(check(tree | {"resume": str(run)}), run, [])
    assert read_result(run)["status"] == "done"
