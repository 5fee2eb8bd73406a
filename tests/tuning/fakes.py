"""Searches without training: a function in place of it, and the parts that a search is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from typing import cast

from sqlalchemy import Engine, event

from digits.config.schema import Experiment
from digits.config.tune import Tune
from digits.config.types import Target, Tree
from digits.runs.atomic import write_json
from digits.runs.layout import RESULT
from digits.tuning.plan import Plan
from digits.tuning.progress import Progress
from digits.tuning.results import Objective
from digits.tuning.space import Space, read_space
from digits.tuning.study import SharedStudy, definition
from digits.tuning.worker import Train, TrialJob, Worker


@event.listens_for(Engine, "connect")
def write_without_waiting(connection: object, _: object) -> None:
    """Have SQLite not wait for the disk after every transaction: a power failure is not among what is tested."""
    if isinstance(connection, Connection):
        connection.execute("PRAGMA synchronous=OFF")


WHATEVER = cast(Experiment, "what a trial would train; fakes train nothing")

LINE: Tree = {"x": {"type": "float", "key": "some.x", "low": 0.0, "high": 1.0}}
BASE: Tree = {"data": {"root": "data", "mirrors": None}, "trainer": {"max_epochs": 4}, "seed": 0}
RANDOM: Tree = {"_target_": "optuna.samplers.RandomSampler"}
NO_PRUNER: Tree = {"_target_": "optuna.pruners.NopPruner"}

TakeUp = Callable[[list[str], Path], tuple[Experiment | None, list[str]]]


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
        "heartbeat": 3,
        "retries": 2,
        "seed": 0,
        "test": False,
    }
    return Tune.model_validate(values | other)


def shared_in(directory: Path, tune: Tune, section: Tree = LINE, base: Tree = BASE) -> SharedStudy:
    shared = SharedStudy(directory, tune.name, tune.storage, tune.heartbeat, tune.retries)
    shared.create(definition(list(tune.objective), section, base, {}))
    return shared


def value_of(job: TrialJob) -> float:
    return float(job.overrides[0].split("=")[1])


def write_record(job: TrialJob, status: str = "done", **other: object) -> None:
    record: dict[str, object] = {
        "status": status,
        "epochs": 4,
        "steps": 40,
        "seconds": {"fit": 0.5},
        "parameters": 10,
        "metrics": {"val/accuracy": value_of(job)},
        "overrides": job.overrides,
        "trial": job.trial.tree(),
        **other,
    }
    write_json(job.directory / RESULT, cast(Tree, record))
    (job.directory / "model.safetensors").touch()


def at_once(job: TrialJob) -> None:
    """A trial whose accuracy is what was drawn."""
    write_record(job)


def epoch_by_epoch(job: TrialJob) -> None:
    """A trial that reports an accuracy after each of four epochs, and ends where it is pruned."""
    for epoch in range(1, 5):
        if job.report(epoch, value_of(job) * epoch / 4):
            write_record(job, "pruned", epochs=epoch)
            return
    write_record(job)


class Recorded(Worker):
    """A worker that trains with a function, and remembers what it trained and what the search would have printed."""

    def __init__(self, directory: Path, train: Train, plan: Plan, section: Tree) -> None:
        super().__init__(shared_in(directory, plan.tune, section), plan, self._train_it)
        self.jobs: list[TrialJob] = []
        self.rows: list[str] = []
        self.do = train
        objectives = [Objective.named(name) for name in plan.tune.objective]
        self.progress = Progress(self.shared.study(), self.shared.command, plan.space, objectives, plan.most)
        self.progress.say = self.rows.append  # type: ignore[assignment, method-assign]  # the rows as they are printed

    def _train_it(self, job: TrialJob) -> None:
        self.jobs.append(job)
        self.do(job)

    def work(self) -> None:
        """Until all are done."""
        while self.step():
            self.progress.show()
        self.progress.show()


def worker_in(
    directory: Path,
    train: Train,
    section: Tree = LINE,
    sampler: Tree = RANDOM,
    pruner: Tree = NO_PRUNER,
    take_up: TakeUp = lambda own, _: (WHATEVER, own),
    **tune: object,
) -> Recorded:
    engines = Target.model_validate(sampler), Target.model_validate(pruner)
    plan = Plan(tune_of(**tune), space_of(section), *engines, WHATEVER, [], take_up)
    return Recorded(directory, train, plan, section)
