"""Searches without training: a trainer that answers at once, and the parts that a search is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import optuna

from digits.config.schema import Experiment
from digits.config.tune import Tune
from digits.config.types import Tree
from digits.runs.atomic import write_json
from digits.runs.layout import RESULT
from digits.tuning.progress import Progress
from digits.tuning.results import Objective
from digits.tuning.search import Search
from digits.tuning.space import Space, read_space
from digits.tuning.study import Memory, definition
from digits.tuning.worker import Ended, Told, Trainer, TrialJob

WHATEVER = cast(Experiment, "what a trial would train; fakes train nothing")

LINE: Tree = {"x": {"type": "float", "key": "some.x", "low": 0.0, "high": 1.0}}
BASE: Tree = {"data": {"root": "data", "mirrors": None}, "trainer": {"max_epochs": 4}, "seed": 0}

Train = Callable[[TrialJob, Connection], Ended]


def space_of(section: Tree) -> Space:
    space, faults = read_space(section)
    assert not faults
    return space


def tune_of(**other: object) -> Tune:
    values: dict[str, object] = {
        "name": "test",
        "trials": 5,
        "workers": 1,
        "storage": None,
        "objective": ["val/accuracy"],
        "keep": 2,
        "heartbeat": 1,
        "retries": 2,
        "seed": 0,
        "test": False,
    }
    return Tune.model_validate(values | other)


def memory_in(directory: Path, tune: Tune, section: Tree = LINE, base: Tree = BASE) -> Memory:
    memory = Memory(directory, tune.name, tune.storage, tune.heartbeat, tune.retries, tune.workers)
    memory.create(definition(list(tune.objective), section, base, {}))
    return memory


def value_of(task: TrialJob) -> float:
    return float(task.overrides[0].split("=")[1])


def leave_record(task: TrialJob, status: str = "done", **other: object) -> None:
    task.directory.mkdir(parents=True, exist_ok=True)
    record: dict[str, object] = {
        "status": status,
        "epochs": 4,
        "steps": 40,
        "seconds": {"fit": 0.5},
        "parameters": 10,
        "metrics": {"val/accuracy": value_of(task)},
        "overrides": task.overrides,
        "trial": task.trial.tree(),
        **other,
    }
    write_json(task.directory / RESULT, cast(Tree, record))
    (task.directory / "model.safetensors").touch()


def at_once(task: TrialJob, _line: Connection) -> Ended:
    """A trial whose accuracy is what was drawn."""
    leave_record(task)
    return Ended()


def epoch_by_epoch(task: TrialJob, line: Connection) -> Ended:
    """A trial that tells an accuracy after each of four epochs, and ends where it is told to."""
    for epoch in range(1, 5):
        line.send(Told(epoch, value_of(task) * epoch / 4))
        if line.recv():
            leave_record(task, "pruned", epochs=epoch)
            return Ended()
    leave_record(task)
    return Ended()


def without_data(task: TrialJob, _line: Connection) -> Ended:
    """A trial that fails as all others will."""
    leave_record(task, "failed", error="no MNIST here")
    return Ended("failed", "no MNIST here")


class Fake(Trainer):
    """A thread in place of a process."""

    def __init__(self, train: Train) -> None:
        self.line, theirs = Pipe()
        self.tasks: list[TrialJob] = []
        self._thread = threading.Thread(target=self._serve, args=(train, theirs), daemon=True)
        self._thread.start()

    def _serve(self, train: Train, line: Connection) -> None:
        while True:
            try:
                task = line.recv()
            except (EOFError, OSError):
                return
            self.tasks.append(task)
            ended = train(task, line)
            if ended.reason == "the trainer too":
                line.close()
                return
            line.send(ended)


class Silent(Progress):
    """Shows nothing, and remembers what it was told."""

    def __init__(self, space: Space, objectives: Sequence[Objective] = (Objective("val/accuracy", True),)) -> None:
        super().__init__(space, objectives)
        self.rows: list[str] = []

    def say(self, text: str) -> None:
        self.rows.append(text)


def search_in(
    directory: Path,
    tune: Tune,
    section: Tree = LINE,
    sampler: Callable[[int], optuna.samplers.BaseSampler] = lambda n: optuna.samplers.RandomSampler(seed=n),
    pruner: optuna.pruners.BasePruner | None = None,
    most: int | None = None,
) -> Search:
    space = space_of(section)
    return Search(
        memory_in(directory, tune, section),
        tune,
        space,
        lambda n: (sampler(n), pruner or optuna.pruners.NopPruner()),
        lambda own, _: (WHATEVER, own),
        Silent(space),
        most or tune.trials,
    )


def work(search: Search, *trainers: Fake) -> None:
    """As many workers as there are trainers, until all are done."""
    threads = [threading.Thread(target=search.work, args=(trainer,)) for trainer in trainers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a worker never came to its end"
