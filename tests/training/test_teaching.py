"""Learning from other runs' nets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from digits.config.schema import Experiment
from digits.training import saved
from digits.training.evaluation import read_data
from digits.training.job import run_job
from digits.training.run import JobFailed, read_result
from digits.training.saved import read_checkpoint
from digits.training.teaching import Teacher

MakeExperiment = Callable[..., Experiment]


def train(config: Experiment, directory: Path) -> Path:
    run_job(config.tree(), directory, ["model=mlp"])
    return directory


def test_a_teacher_answers_with_the_mean_of_its_nets() -> None:
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Dropout(0.9)) for _ in range(2)]
    images = torch.randn(5, 1, 2, 2)
    answers = Teacher(nets)(images)
    powers = [net[1](images.flatten(1)).detach().exp() for net in nets]
    torch.testing.assert_close(answers, sum(e / e.sum(1, keepdim=True) for e in powers) / 2)
    assert not answers.requires_grad
    assert not any(p.requires_grad for net in nets for p in net.parameters())


def test_a_student_learns_what_its_teacher_says(experiment: MakeExperiment, tmp_path: Path) -> None:
    teacher = train(experiment("trainer.max_epochs=3"), tmp_path / "teacher")
    # a teacher that takes every digit for the next one
    weights = load_file(teacher / "model.safetensors")
    save_file(
        {name: t.roll(1, 0).contiguous() if name.startswith("classify") else t for name, t in weights.items()},
        teacher / "model.safetensors",
    )
    student = train(experiment(f"teachers=[{teacher}]", "trainer.max_epochs=5"), tmp_path / "student")
    assert cast(dict[str, float], read_result(student)["metrics"])["test/accuracy"] < 0.1
    test = read_data([experiment().data.tree()], ())[0].split("test")
    answers = saved.load(student)(test.pixels()).argmax(1)
    assert (answers == (test.truth() + 1) % 10).float().mean() > 0.8
    state = cast(dict[str, torch.Tensor], read_checkpoint(student / "checkpoints/last.ckpt")["state_dict"])
    assert not [key for key in state if "teach" in key]


def test_the_same_from_a_teacher_whether_interrupted_or_not(experiment: MakeExperiment, tmp_path: Path) -> None:
    teacher = train(experiment("trainer.max_epochs=1"), tmp_path / "teacher")
    whole = train(experiment(f"teachers=[{teacher}]", "trainer.max_epochs=2"), tmp_path / "whole")
    parts = train(experiment(f"teachers=[{teacher}]", "trainer.max_epochs=1", "scheduler=constant"), tmp_path / "parts")
    again = train(experiment(f"teachers=[{teacher}]", "trainer.max_epochs=2"), tmp_path / "again")
    assert read_result(whole)["weights"] == read_result(again)["weights"]
    assert read_result(whole)["weights"] != read_result(parts)["weights"]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.split_seed=1"], "some that are validated on here; take a teacher with data.val_size"),
        (["data.mean=0.5"], r"takes pictures with mean 0\.156, but here data\.mean is 0\.5"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    experiment: MakeExperiment, tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    teacher = train(experiment("trainer.max_epochs=1", "data.limit=100"), tmp_path / "teacher")
    with pytest.raises(JobFailed, match=sentence):
        train(experiment(f"teachers=[{teacher}]", *overrides), tmp_path / "student")


def test_a_run_without_a_net_is_no_teacher(experiment: MakeExperiment, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(JobFailed, match=r"teachers: .*empty is no run's directory"):
        train(experiment(f"teachers=[{tmp_path / 'empty'}]"), tmp_path / "student")
