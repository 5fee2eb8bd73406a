"""The configuration becomes an Experiment once in the process that trains; a start checks the jobs that it begins."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from omegaconf import OmegaConf

from digits.hydra_app.paths import conf_directory
from digits.tuning.space import edges, read_space
from tests.support.commands import start_module

QUICK = ["data=optdigits", "model=logistic", "trainer=cpu", "trainer.max_epochs=1", "logger=none", "callbacks=none"]

COUNTING = """
import os, sys
import digits.config.check, digits.hydra_app.resolve as resolve, digits.hydra_app.compose as compose
import digits.runs.teachers, digits.training.experiment as experiment

CALLS = os.path.abspath("calls")

def counted(function, what):
    def call(*arguments, **named):
        with open(CALLS, "a") as file:
            file.write(f"{os.getpid()} {what}\\n")
        return function(*arguments, **named)
    return call

resolve.check = counted(resolve.check, "check")
resolve.plain = counted(resolve.plain, "resolve")
experiment.make_module = counted(experiment.make_module, "train")

if sys.argv.pop(1) == "train":
    from digits.train import main
else:
    from digits.tune import main
main()
"""
"""A program that is the command named first, and writes each call and its process to the file `calls`."""


def counts(tmp_path: Path, command: str, *arguments: str) -> list[Counter[str]]:
    """How often each process of a command resolved and checked a configuration, and trained; in order of appearance."""
    calls_file = tmp_path / "calls"
    calls_file.unlink(missing_ok=True)
    (tmp_path / "counting.py").write_text(COUNTING)
    process = start_module("counting", command, *arguments, cwd=tmp_path)
    output, errors = process.communicate(timeout=240)
    assert process.wait() == 0, output + errors
    calls = [line.split() for line in calls_file.read_text().splitlines()]
    return [Counter(what for pid, what in calls if pid == own) for own in dict.fromkeys(pid for pid, _ in calls)]


def test_a_run_and_its_resume_each_make_one(tmp_path: Path) -> None:
    once = Counter(resolve=1, check=1, train=1)
    assert counts(tmp_path, "train", *QUICK, "hydra.run.dir=run") == [once]
    assert counts(tmp_path, "train", "resume=run", "trainer.max_epochs=2") == [once]


def test_without_our_hook_it_is_made_all_the_same(tmp_path: Path) -> None:
    once = Counter(resolve=1, check=1, train=1)
    assert counts(tmp_path, "train", *QUICK, "hydra.run.dir=run", "~hydra.callbacks.start") == [once]


def test_what_hydra_sets_for_the_job_is_seen_before_it(tmp_path: Path) -> None:
    second = "+hydra.job.env_set.DIGITS_DATA=second"
    counts(tmp_path, "train", *QUICK, "hydra.run.dir=run", second)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["config"]["data"]["root"] == "second"
    own = ["search_space=logistic", "tune.name=s", "tune.trials=1", "tune.test=false", "sampler=random"]
    counts(tmp_path, "tune", *QUICK[:-1], *own, second)


def test_a_sweep_checks_its_jobs_and_each_makes_its_own(tmp_path: Path) -> None:
    start, *jobs = counts(tmp_path, "train", "-m", *QUICK, "seed=0,1", "hydra.sweep.dir=sweep")
    assert start == Counter(resolve=4, check=4)  # each once at the start, once when its turn comes
    assert jobs == [Counter(train=1)] * 2


def test_a_search_makes_its_plan_once_and_each_trial_when_its_turn_comes(tmp_path: Path) -> None:
    own = ["search_space=logistic", "tune.name=s", "tune.trials=2", "tune.test=false", "sampler=random"]
    counted = counts(tmp_path, "tune", *QUICK[:-1], *own)
    section = OmegaConf.to_container(OmegaConf.load(Path(conf_directory(), "search_space", "logistic.yaml")))
    space, faults = read_space(section)
    assert not faults
    planned = 1 + sum(1 for _ in edges(space))  # what all share, the edges of the space
    worker = Counter(resolve=2, check=2)
    assert counted == [Counter(resolve=planned, check=planned), worker, *[Counter(train=1)] * 2]
