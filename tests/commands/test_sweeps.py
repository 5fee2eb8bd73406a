"""Sweeps as a person runs them: jobs that die, the same sweep started again, signals, and runs done once more."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from digits.runs.compare import compare, differences
from digits.runs.read import read_result
from tests.support.commands import digits, result_of, start
from tests.support.sweeps import (
    BURNING,
    SLOW,
    burning,
    digest,
    directory_of,
    job,
    on_linux,
    write_burning,
    write_slow,
)

# ---- Jobs that die, and the same sweep again ------------------------------------------------------


@on_linux
def test_jobs_that_die_are_named_and_the_same_sweep_again_does_what_is_left(tmp_path: Path) -> None:
    write_burning(tmp_path)
    done = burning(tmp_path, 0.1, 0.5, 0.4, 0.3, 0.2)
    assert done.returncode == 1
    deaths = {
        0.5: "its process died with exit code 7",
        0.4: "its process was killed by signal 9 (SIGKILL); out of memory?",
        0.3: "RuntimeError: the net is on fire",
    }
    for dropout, reason in deaths.items():
        told = f"failed: {' '.join(BURNING)} model.dropout={dropout}\n{reason}"
        assert told in done.stdout, "by name and at once"
        assert done.stdout.index(told) < done.stdout.rindex("Net with"), "before later jobs start"
        assert reason in (job(tmp_path, dropout) / "train.log").read_text()
        record = result_of(job(tmp_path, dropout))
        assert (record["status"], record["error"]) == ("failed", reason)
        assert f"{job(tmp_path, dropout).name}: {reason}" in done.stdout[done.stdout.index("val/accuracy") :]
    assert [result_of(job(tmp_path, d))["status"] for d in (0.1, 0.2)] == ["done", "done"]
    assert done.stdout.count("epoch 2/2") == 2, "nothing is printed twice"
    assert done.stdout.index("1 of 5 jobs done, less than a minute") < done.stdout.index("2 of 5 jobs done, 3 failed\n")

    kept = {dropout: digest(job(tmp_path, dropout)) for dropout in (0.1, 0.2)}
    assert {"result.json", "model.safetensors", "checkpoints/last.ckpt", "metrics.csv", "train.log"} < kept[0.1].keys()
    alive = job(tmp_path, 0.6)
    alive.mkdir()
    running = {"status": "running", "pid": os.getpid(), "host": socket.gethostname(), "alive": time.time()}
    (alive / "result.json").write_text(json.dumps(result_of(job(tmp_path, 0.1)) | running))
    record_alive = digest(alive)
    (tmp_path / "fire").unlink()
    again = burning(tmp_path, 0.25, 0.2, 0.6, 0.5, 0.4, 0.3, 0.1)
    assert again.returncode == 1, "for the job that another process has"
    told = f"failed: {' '.join(BURNING)} model.dropout=0.6\n{alive} is still running (process {os.getpid()} on "
    assert told in again.stdout
    assert digest(alive)["result.json"] == record_alive["result.json"]
    assert again.stdout.count("done already: ") == 2
    assert "4 of 5 jobs done" in again.stdout, "of those that were left"
    assert {dropout: digest(job(tmp_path, dropout)) for dropout in (0.1, 0.2)} == kept
    for dropout in (0.25, 0.5, 0.4, 0.3):
        assert result_of(job(tmp_path, dropout))["status"] == "done"
        assert not (job(tmp_path, dropout) / "error.txt").exists()

    (tmp_path / "torch.py").write_text("raise ImportError('jobs that are done need no torch')\n")
    third = burning(tmp_path, 0.1, 0.3, fresh=True)
    assert third.returncode == 0, third.stdout + third.stderr
    assert third.stdout.count("done already: ") == 2
    assert "best run by val/accuracy" in third.stdout
    assert digest(job(tmp_path, 0.1)) == kept[0.1]


# ---- Signals, and a run done once more ------------------------------------------------------------


def stopped(cwd: Path, *arguments: str) -> tuple[int, str]:
    """Start a sweep, end it by SIGTERM to its own process alone once a job trains; its exit code and what it said."""
    write_slow(cwd)
    process = start("train", "-m", *SLOW, "hydra.sweep.dir=sweep", *arguments, cwd=cwd, join_stderr=True)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("epoch 2"):
            break
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    (cwd / "slow").unlink()
    return process.wait(), said + rest


@on_linux
def test_an_interrupted_sweep_goes_on_and_a_run_done_once_more_is_the_same_to_the_bit(tmp_path: Path) -> None:
    code, said = stopped(tmp_path, "seed=0,1")
    assert code == 143
    assert "interrupted; run the same command again with hydra.sweep.dir=sweep" in said
    first, second = (tmp_path / directory_of(*SLOW, f"seed={seed}") for seed in (0, 1))
    assert result_of(first)["status"] == "interrupted"
    assert not second.exists(), "no later job is started"
    started = result_of(first)["started"]

    again = digits("train", "-m", *SLOW, "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [result_of(run)["status"] for run in (first, second)] == ["done", "done"]
    assert (result_of(first)["started"], result_of(first)["epochs"]) == (started, 8)
    assert again.stdout.count("epoch 1/8") == 1, "the first job went on where it was"

    refused = digits("train", "-m", f"config_from={first}", "seed=0,1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "model: the run's record names a class outside the trusted packages: slow.Net" in refused.stderr
    copy = digits("train", "-m", f"config_from={first}", "trust=[slow]", "seed=0,1", "hydra.sweep.dir=copy",
                  cwd=tmp_path)  # fmt: skip
    assert copy.returncode == 0, copy.stdout + copy.stderr
    copies = {result_of(path.parent)["seed"]: path.parent for path in (tmp_path / "copy").rglob("result.json")}
    for seed, run in {0: first, 1: second}.items():
        assert digest(copies[seed])["model.safetensors"] == digest(run)["model.safetensors"]
        then, now = read_result(run), read_result(copies[seed])
        assert differences(then, now) == [s for s in differences(then, now) if "uncommitted" in s]
        assert compare(then, now) == f"the same metrics and weights to the bit as {first}"


# ---- A job that SLURM has started again -----------------------------------------------------------


def test_a_requeued_job_that_is_done_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digits.train", "seed=3", "hydra.run.dir=run"]
    (tmp_path / "run").mkdir()
    record = {"status": "done", "overrides": ["seed=3"], "metrics": {"val/accuracy": 0.5}}
    (tmp_path / "run" / "result.json").write_text(json.dumps(record))
    kept = digest(tmp_path / "run")
    for count, code, said in (("0", 2, "holds a run already"), ("1", 0, "done already: run")):
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "SLURM_RESTART_COUNT": count}, text=True, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code
        assert said in done.stdout + done.stderr
    assert digest(tmp_path / "run") == kept
