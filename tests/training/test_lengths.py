"""Trainings that are ended by steps or by time: what they have is validated, kept and tested."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.config.schema import Experiment
from digits.data import MNISTDataModule
from digits.runs.layout import BEST, JobFailed
from digits.runs.read import read_result
from digits.training.job import run_job


class OwnData(MNISTDataModule):
    """A data set of one's own, whose size no configuration knows."""


MakeExperiment = Callable[..., Experiment]


@pytest.mark.parametrize(
    ("steps", "validated_at"),
    [
        (3, [2]),  # the last step's number, from 0, within the first epoch of ten batches
        (10, [9]),  # its end, which is validated once
        (13, [9, 12]),
    ],
)
def test_a_training_that_max_steps_ends_is_validated_where_it_ends(
    experiment: MakeExperiment, tmp_path: Path, steps: int, validated_at: list[int]
) -> None:
    run_job(experiment("data.batch_size=128", f"+trainer.max_steps={steps}"), tmp_path, [])
    record = read_result(tmp_path)
    assert (record.status, record.steps) == ("done", steps)
    assert {"val/accuracy", "test/accuracy"} <= record.metrics.keys()
    assert (tmp_path / BEST).exists()
    assert (tmp_path / "model.safetensors").exists()
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file) if row.get("val/accuracy")] == validated_at


def test_a_training_that_time_ends_before_its_first_step_says_so(experiment: MakeExperiment, tmp_path: Path) -> None:
    with pytest.raises(JobFailed):
        run_job(experiment("+trainer.max_time=00:00:00:00"), tmp_path, [])
    assert "trainer.max_time" in str(read_result(tmp_path).error)


def test_a_loop_of_data_that_are_counted_only_now_is_refused_too(experiment: MakeExperiment, tmp_path: Path) -> None:
    own = ("data._target_=tests.training.test_lengths.OwnData", "+trainer.val_check_interval=100")
    with pytest.raises(JobFailed) as caught:
        run_job(experiment(*own), tmp_path, [])
    assert caught.value.code == 2
    assert "val_check_interval: is 100, but an epoch has " in str(read_result(tmp_path).error)
