"""Which trials were best, which of their files are kept, and the one look at the test set."""

from __future__ import annotations

import json
import shutil
import socket

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from digits.searching.memory import Memory
from digits.searching.study import is_cut_off, number_of, place_of
from digits.searching.table import LOOKS
from digits.searching.trainers import Ended, Trainer, Winner
from digits.training.run import BEST, MODEL, WEIGHTS

TEST = "test"
"""Attribute of a study: what the best trial reached on the test set; and the folder in its directory that says more."""


def best_trials(study: Study) -> list[FrozenTrial]:
    """Trials that were trained to their end: the best first, for several objectives those of the Pareto front."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda trial: trial.number) if trials else []
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    return sorted(trials, key=lambda trial: (sign * trial.values[0], trial.number))


def keep_best(memory: Memory, study: Study, number: int) -> None:
    """Remove the weights and checkpoints of all trials but the best so many; of several objectives the front stays."""
    leaders = best_trials(study)
    kept = {place_of(trial) for trial in (leaders[:number] if len(study.directions) == 1 else leaders)}
    for trial in study.get_trials(deepcopy=False):
        directory = place_of(trial)
        over = trial.state.is_finished() and not is_cut_off(trial)
        if over and directory is not None and directory not in kept:
            place = memory.directory / directory
            shutil.rmtree((place / BEST).parent, ignore_errors=True)
            for name in (WEIGHTS, MODEL):
                (place / name).unlink(missing_ok=True)


def test_winner(memory: Memory, trainer: Trainer) -> str:
    """Test the best trial, once; returns what is to be said of it. Whoever comes first does it, the others find it."""
    with memory.alone():
        study = memory.study()
        if len(study.directions) > 1:
            return "several objectives have no one winner, so nothing was tested: evaluate the trial that you choose"
        leaders = best_trials(study)
        if not leaders:
            return "no trial was trained to its end, so there is nothing to test"
        winner, known = leaders[0], study.user_attrs.get(TEST)
        if isinstance(known, dict) and known.get("trial") == number_of(winner):
            return ""
        directory = place_of(winner)
        if directory is None:
            return "the best trial has no directory, so it was not tested"
        place = memory.directory / directory
        if not (place / WEIGHTS).exists():
            where = "here any more" if winner.user_attrs.get("host") == socket.gethostname() else "on this machine"
            return f"the best trial's net is not {where}; python -m digits.evaluate {directory} tests it where it is"
        try:
            trainer.line.send(Winner(place))
            ended = trainer.line.recv()
        except (EOFError, OSError):
            ended = None
        if not isinstance(ended, Ended) or ended.how != "done":
            return f"the best trial could not be tested: see {place / 'train.log'}"
        found = json.loads((place / TEST / "evaluation.json").read_text(encoding="utf-8"))
        looks = int(known.get(LOOKS, 0)) + 1 if isinstance(known, dict) else 1
        told = {"trial": number_of(winner), "accuracy": found["accuracy"], "loss": found["loss"], LOOKS: looks}
        study.set_user_attr(TEST, told)
        return ""
