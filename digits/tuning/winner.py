"""The best trials, which of their files are kept, and the one test of the winner."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from digits.config.task import CLASSIFICATION
from digits.processes.logged import LOG, run_logged
from digits.runs.layout import BEST, MODEL, WEIGHTS, JobFailed
from digits.runs.read import peek, status_of
from digits.tuning.storage import counted, is_cut_off, number_of, place_of
from digits.tuning.study import SharedStudy
from digits.tuning.table import LOOKS

TEST = "test"
"""Attribute of a study with the best trial's test metrics; also the folder of its evaluation in its run directory."""

Test = Callable[[Path, Path], None]  # tests a run and writes the evaluation into a directory


def best_trials(study: Study) -> list[FrozenTrial]:
    """The complete trials, the best first; for several objectives those of the Pareto front."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda trial: trial.number) if trials else []
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    return sorted(trials, key=lambda trial: (sign * trial.values[0], trial.number))


def keep_best(directory: Path, study: Study, number: int) -> None:
    """Remove the weights and checkpoints of all but the best `number` trials, or of all but the Pareto front."""
    leaders, trials = best_trials(study), study.get_trials(deepcopy=False)
    needed = {place_of(trial) for trial in (leaders[:number] if len(study.directions) == 1 else leaders)}
    needed |= {place_of(trial) for trial in counted(trials) if not trial.state.is_finished() or is_cut_off(trial)}
    for name in {place_of(trial) for trial in trials} - needed - {None}:
        place = directory / str(name)
        if status_of(peek(place)) != "running":  # in a worker that was considered dead
            shutil.rmtree((place / BEST).parent, ignore_errors=True)
            for file in (WEIGHTS, MODEL):
                (place / file).unlink(missing_ok=True)


def test_winner(shared: SharedStudy, test: Test) -> str:
    """Test the best trial, once, in whichever command comes first; returns a remark for the log, or nothing."""
    with shared.alone():
        study = shared.study()
        if len(study.directions) > 1:
            return "several objectives have no single winner, so nothing was tested: evaluate a trial of your choice"
        leaders = best_trials(study)
        if not leaders:
            return "no trial is complete, so there is nothing to test"
        winner, known = leaders[0], study.user_attrs.get(TEST)
        if isinstance(known, dict) and known.get("trial") == number_of(winner):
            return ""
        directory = place_of(winner)
        if directory is None:
            return "the best trial has no directory, so it was not tested"
        place = shared.directory / directory
        task = peek(place).task
        if task.name != CLASSIFICATION.name:
            how = f"python -m digits.train config_from={place} test=true"
            return f"the winner of a search for {task.name} is not tested here; to train it again and test it: {how}"
        if not (place / WEIGHTS).exists():
            host = winner.user_attrs.get("host")
            if host == socket.gethostname():
                return f"the best trial's model is gone from {place}, so it was not tested"
            return f"the best trial's model is on {host}; to test it, run the same command there"
        try:
            run_logged(lambda: test(place, place / TEST), place / TEST, [])
        except JobFailed:
            return f"the best trial could not be tested: see {place / TEST / LOG}"
        found = json.loads((place / TEST / "evaluation.json").read_text(encoding="utf-8"))
        looks = int(known.get(LOOKS, 0)) + 1 if isinstance(known, dict) else 1
        tested = {"trial": number_of(winner), "accuracy": found["accuracy"], "loss": found["loss"], LOOKS: looks}
        study.set_user_attr(TEST, tested)
        return ""
