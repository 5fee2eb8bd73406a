"""The metrics of a task, which way each is better, and the one that chooses the best epoch. No torch.

The task's LightningModule has them as its class attribute `task`; a run's record has them too, so that runs can be
ranked and printed without importing the module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from digits.config.faults import TargetError
from digits.config.types import Tree, Value

Better: TypeAlias = Literal["max", "min"]

SPLITS = ("train", "val", "test")  # a metric's full name begins with one: `val/accuracy`


@dataclass(frozen=True)
class Metric:
    """A metric: its name, which way is better, and how it is printed."""

    name: str
    better: Better
    fraction: bool = False  # 0..1: printed as a percentage


COSTS = (Metric("parameters", "min"), Metric("seconds", "min"), Metric("images_per_second", "max"))  # of every task


@dataclass(frozen=True)
class Task:
    """A task and its metrics. Each metric is logged for every split; `loss` is always among them.

    Raises ValueError where its fields contradict each other.
    """

    name: str
    metrics: tuple[Metric, ...]
    monitor: str  # the metric whose best value on the validation split chooses the epoch

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if bad := [name for name in names if not re.fullmatch(r"\w+", name)]:
            raise ValueError(f"the task {self.name} has a metric {bad[0]!r}; take letters, digits and _")
        if len(set(names)) < len(names) or not {"loss", self.monitor} <= set(names):
            why = f"has the metrics {', '.join(names)}; it needs each once, with loss and {self.monitor}, its monitor"
            raise ValueError(f"the task {self.name} {why}")

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The metrics, the monitored one first."""
        return tuple(sorted(self.metrics, key=lambda metric: metric.name != self.monitor))

    @property
    def monitored(self) -> str:
        """The full name of the metric that chooses the best epoch."""
        return f"val/{self.monitor}"

    @property
    def watched(self) -> tuple[str, ...]:
        """The full names of the validation metrics, which every epoch has."""
        return tuple(f"val/{metric.name}" for metric in self.headline)

    @property
    def monitors(self) -> tuple[str, ...]:
        """The full names of the metrics that a callback can monitor."""
        return (*self.watched, *(f"train/{metric.name}" for metric in self.headline))

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names that a search can optimize: metrics and costs, none of the test set."""
        return (*self.monitors, *(cost.name for cost in COSTS))

    def metric(self, name: str) -> Metric | None:
        """A metric by its full name, or a cost; None where there is none of that name."""
        split, slash, own = name.partition("/")
        known = self.metrics if split in SPLITS and slash else COSTS
        return next((metric for metric in known if metric.name == (own if slash else name)), None)

    def better(self, name: object) -> Better | None:
        """Which way is better for a metric, by its full name; None where there is none of that name."""
        found = self.metric(name) if isinstance(name, str) else None
        return None if found is None else found.better

    def is_fraction(self, name: str) -> bool:
        """Whether a metric, by its full name, is printed as a percentage."""
        found = self.metric(name)
        return found is not None and found.fraction

    def best_epoch(self, epochs: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
        """The metrics of the best epoch, the earlier of two equal ones; None where no epoch was validated."""
        validated = [epoch for epoch in epochs if self.monitored in epoch]
        choose = min if self.better(self.monitored) == "min" else max
        return choose(validated, key=lambda epoch: epoch[self.monitored]) if validated else None

    def tree(self) -> Tree:
        """The task as plain data for a record."""
        return {"name": self.name, "monitor": self.monitor, "metrics": [asdict(metric) for metric in self.metrics]}


CLASSIFICATION = Task("classification", (Metric("loss", "min"), Metric("accuracy", "max", fraction=True)), "accuracy")

DETECTION = Task(
    "detection",
    (
        Metric("loss", "min"),
        Metric("pages", "max", fraction=True),  # pages read without an error; in training, crops
        Metric("recall", "max", fraction=True),
        Metric("precision", "max", fraction=True),
        Metric("accuracy", "max", fraction=True),  # of the class of digits that were found
    ),
    "pages",
)

CLASSIFIER = "digits.training.module.Classifier"
DETECTOR = "digits.training.detection.module.PageDetector"
KNOWN = {CLASSIFIER: CLASSIFICATION, DETECTOR: DETECTION}  # tasks that are known without importing their modules


def task_from(recorded: Value) -> Task:
    """The task in a record; classification in older records, which have none. Raises ValueError."""
    if recorded is None:
        return CLASSIFICATION
    tree = recorded if isinstance(recorded, dict) else {}
    name, monitor, metrics = tree.get("name"), tree.get("monitor"), tree.get("metrics")
    found = [metric for part in (metrics if isinstance(metrics, list) else []) if (metric := _metric_from(part))]
    if not isinstance(name, str) or not isinstance(monitor, str) or not found:
        raise ValueError(f"task is {recorded!r:.80}, which is not a task")
    return Task(name, tuple(found), monitor)


def _metric_from(recorded: Value) -> Metric | None:
    tree = recorded if isinstance(recorded, dict) else {}
    name, fraction = tree.get("name"), tree.get("fraction") is True
    if not isinstance(name, str):
        return None
    if tree.get("better") == "max":
        return Metric(name, "max", fraction)
    return Metric(name, "min", fraction) if tree.get("better") == "min" else None


def task_of(target: str) -> Task:
    """The task of the module that a `_target_` names; a module of another package is imported, and torch with it.

    Raises TargetError.
    """
    if target in KNOWN:
        return KNOWN[target]
    from digits.config.instantiate import resolve  # here, since it brings Hydra

    task: object = getattr(resolve(target), "task", None)
    if not isinstance(task, Task):
        raise TargetError(f"{target} is not a task module: it has no class attribute task, a digits.config.task.Task")
    return task


def task_in(config: Tree) -> Task:
    """The task of a configuration; classification where its module can't be imported, which `check` reports."""
    section = config.get("task")
    if section is None:  # a configuration older than the key
        return CLASSIFICATION
    target = section.get("_target_") if isinstance(section, dict) else None
    try:
        return task_of(str(target))
    except ValueError:  # TargetError, or not a dotted path
        return CLASSIFICATION
