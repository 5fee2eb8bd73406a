"""What a task says of itself, and what is made of a record that says it."""

from __future__ import annotations

import json

import pytest

from digits.config.faults import TargetError
from digits.config.task import CLASSIFICATION, Metric, Task, task_from, task_in, task_of

PAGES = Task("pages", (Metric("loss", "min"), Metric("recall", "max", fraction=True)), monitor="recall")


def test_classification_is_as_it_ever_was() -> None:
    assert CLASSIFICATION.monitored == "val/accuracy"
    assert CLASSIFICATION.watched == ("val/accuracy", "val/loss")
    assert {name: CLASSIFICATION.better(name) for name in CLASSIFICATION.objectives} == {
        "val/accuracy": "max", "val/loss": "min", "train/accuracy": "max", "train/loss": "min",
        "parameters": "min", "seconds": "min", "images_per_second": "max",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["accuracy", "val/parameters", "val/", "loss/val", "seconds/x", 3, None, ["val/loss"]])
def test_what_is_no_metrics_full_name_has_no_better(name: object) -> None:
    assert CLASSIFICATION.better(name) is None


@pytest.mark.parametrize(
    ("metrics", "monitor"),
    [
        ((Metric("loss", "min"),), "recall"),
        ((Metric("recall", "max"),), "recall"),  # without a loss
        ((Metric("loss", "min"), Metric("loss", "max")), "loss"),
        ((Metric("loss", "min"), Metric("re/call", "max")), "loss"),
    ],
)
def test_a_task_that_contradicts_itself_is_none(metrics: tuple[Metric, ...], monitor: str) -> None:
    with pytest.raises(ValueError, match="the task pages"):
        Task("pages", metrics, monitor)


def test_the_best_epoch_is_by_the_tasks_own_direction_and_the_first_of_equals() -> None:
    epochs = [{"epoch": i, "val/accuracy": x, "val/loss": x} for i, x in enumerate([0.5, 0.1, 0.9, 0.1, 0.9])]
    least = Task("least", (Metric("loss", "min"),), "loss")
    for task, epoch in ((CLASSIFICATION, 2), (least, 1)):
        found = task.best_epoch([{"epoch": 9}, *epochs])
        assert found is not None
        assert found["epoch"] == epoch
    assert CLASSIFICATION.best_epoch([{"epoch": 0, "train/loss": 0.5}]) is None


def test_a_record_says_what_the_task_does() -> None:
    assert task_from(json.loads(json.dumps(PAGES.tree()))) == PAGES
    assert task_from(None) == CLASSIFICATION


@pytest.mark.parametrize("recorded", [3, [], {}, {**PAGES.tree(), "metrics": [{"name": "x"}]}, {"name": "a"},
                                      {**PAGES.tree(), "monitor": "val/loss"}])  # fmt: skip
def test_a_record_that_describes_no_task_is_refused(recorded: object) -> None:
    with pytest.raises(ValueError, match="task"):
        task_from(recorded)  # type: ignore[arg-type]  # plain data


@pytest.mark.parametrize("target", ["digits.models.MLP", "digits.training.task_module.TaskModule", "nowhere.Task"])
def test_what_is_no_tasks_module_is_told(target: str) -> None:
    with pytest.raises(TargetError, match=target.split(".")[0]):
        task_of(target)
    assert task_in({"task": {"_target_": target}}) == CLASSIFICATION, "the check tells"
