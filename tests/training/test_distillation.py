"""Learning from other runs' nets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import digits
from digits.config.schema import Experiment
from digits.evaluating.dataset import read_data
from digits.runs.checkpoint_file import read_checkpoint
from digits.runs.layout import JobFailed
from digits.runs.read import read_result
from digits.runs.schema import RecordedData, TeacherOf
from digits.training.distillation import Teacher
from digits.training.job import run_job
from tests.support.resumed import OFTEN, cut, go_on
from tests.support.resumed import train as train_whole

MakeExperiment = Callable[..., Experiment]


def train(config: Experiment, directory: Path) -> Path:
    run_job(config, directory, ["model=mlp"])
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
    assert read_result(student).metrics["test/accuracy"] < 0.1
    test = read_data([RecordedData.model_validate(experiment().data.tree())], ())[0].split("test")
    answers = digits.load(student)(test.pixels()).argmax(1)
    assert (answers == (test.truth() + 1) % 10).float().mean() > 0.8
    state = cast(dict[str, torch.Tensor], read_checkpoint(student / "checkpoints/last.ckpt")["state_dict"])
    assert not [key for key in state if "teach" in key]


def test_a_teacher_answers_in_float32_whatever_it_is_asked_in() -> None:
    torch.manual_seed(0)
    teacher, images = Teacher([nn.Sequential(nn.Flatten(), nn.Linear(4, 3))]), torch.randn(5, 1, 2, 2)
    answers = teacher(images)
    assert answers.dtype == torch.float32
    assert torch.equal(teacher(images.double()), answers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(teacher(images), answers)


@pytest.mark.parametrize(
    ("precision", "of_teacher"),
    [("32-true", "64-true"), ("bf16-mixed", "32-true"), ("bf16-true", "32-true"), ("64-true", "bf16-true")],
)
def test_a_student_learns_the_same_in_every_number_format(
    experiment: MakeExperiment, tmp_path: Path, precision: str, of_teacher: str
) -> None:
    teacher = train(experiment(f"trainer.precision={of_teacher}", "trainer.max_epochs=1"), tmp_path / "teacher")
    losses = []
    for name in dict.fromkeys(("32-true", precision)):
        again = experiment(f"teachers=[{teacher}]", f"trainer.precision={name}", "loss.label_smoothing=0.1")
        history = read_result(train(again, tmp_path / f"student-{name}")).history
        losses.append([epoch["train/loss"] for epoch in history])
    assert losses[0][-1] < losses[0][0]
    assert losses[-1] == pytest.approx(losses[0], rel=0.01)


# as a teacher's answers come in by the step, a run cut off within an epoch has asked it for a part of them
@pytest.mark.parametrize(("hook", "at"), [("train", 15), ("validation", 2)])
def test_a_student_that_was_cut_off_ends_as_one_that_never_was(
    experiment: MakeExperiment, tmp_path: Path, hook: str, at: int
) -> None:
    teachers = [train(experiment("trainer.max_epochs=1", f"seed={seed}"), tmp_path / f"t{seed}") for seed in (0, 1)]
    config = experiment(*OFTEN, f"teachers=[{teachers[0]},{teachers[1]}]", "augment=affine", "trainer.ema_decay=0.9")
    cut(config, tmp_path / "cut", hook, at, "SIGTERM")
    assert go_on(config, tmp_path / "cut") == train_whole(config, tmp_path / "whole")
    recorded = [TeacherOf(run=str(run), weights=read_result(run).weights) for run in teachers]
    assert read_result(tmp_path / "cut").teachers == recorded
    once_more = config.model_copy(update={"config_from": str(tmp_path / "cut")})
    assert read_result(train(once_more, tmp_path / "more")).weights == read_result(tmp_path / "cut").weights


def test_a_teacher_whose_net_can_not_be_rebuilt(experiment: MakeExperiment, tmp_path: Path) -> None:
    teacher = train(experiment("trainer.max_epochs=1"), tmp_path / "teacher")
    save_file({"other": torch.zeros(50_000)}, teacher / "model.safetensors")
    with pytest.raises(JobFailed, match=r"teachers: \S+teacher: .* holds the weights of another net"):
        train(experiment(f"teachers=[{teacher}]"), tmp_path / "student")


def test_a_loss_that_takes_no_probabilities_is_refused_before_data_are_read(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    teacher = train(experiment("trainer.max_epochs=1"), tmp_path / "teacher")
    margin = ("~loss", "+loss._target_=torch.nn.MultiMarginLoss")
    with pytest.raises(JobFailed, match=r"^loss: MultiMarginLoss does not accept probabilities"):
        train(experiment(f"teachers=[{teacher}]", *margin), tmp_path / "student")
    assert "data" not in read_result(tmp_path / "student").tree()
    assert read_result(train(experiment(*margin), tmp_path / "alone")).status == "done"


def test_a_run_without_a_net_is_no_teacher(experiment: MakeExperiment, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(JobFailed, match=r"teachers: .*empty is not a run directory"):
        train(experiment(f"teachers=[{tmp_path / 'empty'}]"), tmp_path / "student")
