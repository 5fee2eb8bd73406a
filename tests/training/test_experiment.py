"""The one path through training: what a run leaves, and that it is the same every time."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import digits
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.data import MNISTDataModule
from digits.runs.layout import JobFailed
from digits.runs.read import read_result
from digits.runs.schema import RunRecord
from digits.training.job import run_job

MakeExperiment = Callable[..., Experiment]


def train(config: Experiment, directory: Path) -> RunRecord:
    run_job(config, directory, ["model=mlp"])
    return read_result(directory)


def weights_of(run: Path) -> str:
    """A digest of a run's weights, bit for bit."""
    tensors = load_file(run / "model.safetensors")
    return hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest()


def test_a_run_leaves_its_directory(experiment: MakeExperiment, tmp_path: Path) -> None:
    result = train(experiment(), tmp_path)
    assert result.status == "done"
    assert result.seed == 0
    assert result.overrides == ["model=mlp"]
    assert result.epochs == 2
    assert result.parameters == 784 * 32 + 2 * 32 + 32 * 10 + 10
    assert len(result.history) == 2
    for name in ("best.ckpt", "last.ckpt"):
        state = torch.load(tmp_path / "checkpoints" / name, weights_only=True)  # plain data only: loads anywhere
        assert "state_dict" in state
    assert list(tmp_path.glob("events.out.tfevents*"))
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["val/loss"]) for row in rows if row["val/loss"]]
    assert losses == pytest.approx([epoch["val/loss"] for epoch in result.history], rel=1e-4)
    assert not list(tmp_path.rglob("*.part"))


def test_the_best_epoch_is_kept_and_tested(experiment: MakeExperiment, tmp_path: Path) -> None:
    result = train(experiment("trainer.max_epochs=5", "optimizer.lr=0.05", "scheduler=constant"), tmp_path)
    accuracies = [epoch["val/accuracy"] for epoch in result.history]
    assert result.epoch == accuracies.index(max(accuracies))
    assert result.metrics["val/accuracy"] == max(accuracies)
    net, data = digits.load(tmp_path), optdigits()
    right = (net(data.val.pixels()).argmax(1) == data.val.truth()).float().mean()  # type: ignore[union-attr]  # it validates
    assert float(right) == pytest.approx(max(accuracies))
    right = (net(data.test.pixels()).argmax(1) == data.test.truth()).float().mean()
    assert float(right) == pytest.approx(result.metrics["test/accuracy"])


def optdigits() -> MNISTDataModule:
    data = MNISTDataModule(
        "optdigits", "", None, 0.1307, 0.3081, 10, 28, val_size=180, split_seed=0, limit=None, batch_size=64,
        eval_batch_size=1000,
    )  # fmt: skip
    data.setup()
    return data


@pytest.mark.usefixtures("two_threads")
def test_the_same_command_gives_the_same_bits_and_another_seed_others(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    for name, overrides in {"a": [], "b": [], "c": ["seed=1"]}.items():
        train(experiment("augment=affine", *overrides), tmp_path / name)
    assert weights_of(tmp_path / "a") == weights_of(tmp_path / "b")
    assert weights_of(tmp_path / "a") != weights_of(tmp_path / "c")


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("scheduler", ["constant", "step"])
def test_a_run_that_goes_on_ends_as_one_that_was_never_cut(
    experiment: MakeExperiment, tmp_path: Path, scheduler: str
) -> None:
    longer = ("trainer.max_epochs=4", f"scheduler={scheduler}", "trainer.ema_decay=0.9")
    whole = train(experiment(*longer), tmp_path / "whole")
    train(experiment(*longer, "trainer.max_epochs=2"), tmp_path / "cut")
    resumed = train(experiment(*longer, f"resume={tmp_path / 'cut'}"), tmp_path / "cut")
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")
    without_speed = [
        [{k: v for k, v in epoch.items() if k != "train/images_per_second"} for epoch in r.history]
        for r in (whole, resumed)
    ]
    assert without_speed[0] == without_speed[1]
    rows = [(tmp_path / run / "metrics.csv").read_text().count("\n") for run in ("whole", "cut")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine"])
def test_a_finished_run_can_be_given_more_epochs(experiment: MakeExperiment, tmp_path: Path, scheduler: str) -> None:
    train(experiment(f"scheduler={scheduler}"), tmp_path)
    result = train(experiment(f"scheduler={scheduler}", "trainer.max_epochs=3", f"resume={tmp_path}"), tmp_path)
    assert result.epochs == 3
    assert [epoch["epoch"] for epoch in result.history] == [0, 1, 2]


@pytest.mark.parametrize(
    "override",
    [
        "model=logistic",
        "model=cnn",
        "model=resnet",
        "optimizer=sgd",
        "optimizer=adam",
        "scheduler=cosine",
        "scheduler=step",
        "scheduler=constant",
        "loss.label_smoothing=0.1",
        "trainer.precision=bf16-mixed",
        "trainer.precision=bf16-true",
        "trainer.precision=64-true",
        "trainer.gradient_clip_val=0.5",
        "trainer.accumulate_grad_batches=2",
        "trainer.channels_last=false",
        "trainer.ema_decay=0.9",
        "augment=affine",
    ],
)
def test_each_choice_learns(experiment: MakeExperiment, tmp_path: Path, override: str) -> None:
    """Each beats guessing by far after a few epochs of 400 images; a net that is larger, and slower, needs fewer."""
    epochs = 3 if override in {"model=cnn", "model=resnet"} else 8
    quick = ("data.limit=400", f"trainer.max_epochs={epochs}", "data.batch_size=32", "test=false", "logger=none")
    assert train(experiment(*quick, override), tmp_path).metrics["val/accuracy"] > 0.6


def test_a_run_that_was_moved_goes_on_with_its_best(experiment: MakeExperiment, tmp_path: Path) -> None:
    options = ("optimizer.lr=0.05", "scheduler=constant")
    first = train(experiment(*options, "trainer.max_epochs=3"), tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there"
    result = train(experiment(*options, "trainer.max_epochs=4", f"resume={moved}"), moved)
    accuracies = [epoch["val/accuracy"] for epoch in result.history]
    assert accuracies[:3] == [epoch["val/accuracy"] for epoch in first.history]
    assert result.epoch == accuracies.index(max(accuracies))
    assert result.metrics["val/accuracy"] == max(accuracies)


def test_a_short_run_has_points_in_the_curves_of_steps(experiment: MakeExperiment, tmp_path: Path) -> None:
    train(experiment("data.limit=200", "test=false"), tmp_path)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(bool(row["lr"]) for row in rows) >= 2
    assert sum(bool(row["train/gradient_norm"]) for row in rows) >= 2


def test_without_validation_the_last_epoch_is_kept(experiment: MakeExperiment, tmp_path: Path) -> None:
    result = train(experiment("data.val_size=0", "callbacks=early_stopping"), tmp_path)
    assert result.epoch == 1
    assert "val/accuracy" not in cast(Tree, result.metrics)
    assert result.metrics["test/accuracy"] > 0.5
    assert not (tmp_path / "checkpoints" / "best.ckpt").exists()


def test_training_stops_early_when_validation_gets_no_better(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(
        "callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=1e-9", "trainer.max_epochs=9"
    )
    assert (train(config, tmp_path).epochs or 0) < 9


@pytest.mark.parametrize(("wanted", "kept"), [("best", ["best.ckpt"]), ("last", ["last.ckpt"])])
def test_only_the_wanted_checkpoints_are_kept(
    experiment: MakeExperiment, tmp_path: Path, wanted: str, kept: list[str]
) -> None:
    train(experiment(f"checkpoints={wanted}", "data.limit=100"), tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == kept


def test_fine_tuning_starts_from_the_weights_of_a_run(experiment: MakeExperiment, tmp_path: Path) -> None:
    first = train(experiment("trainer.max_epochs=5"), tmp_path / "first")
    for source in (tmp_path / "first", tmp_path / "first/model.safetensors", tmp_path / "first/checkpoints/best.ckpt"):
        config = experiment(f"init_from={source}", "optimizer.lr=1e-6", "trainer.max_epochs=1", "test=false")
        tuned = train(config, tmp_path / source.name)
        assert tuned.metrics["val/accuracy"] == pytest.approx(first.metrics["val/accuracy"], abs=0.02)


def test_fine_tuning_from_another_net_is_refused(experiment: MakeExperiment, tmp_path: Path) -> None:
    train(experiment("data.limit=100", "trainer.max_epochs=1"), tmp_path / "first")
    with pytest.raises(JobFailed, match=r"size mismatch|weights of another net"):
        train(experiment(f"init_from={tmp_path / 'first'}", "model.hidden=[16]"), tmp_path / "second")


def test_a_failed_run_says_why(experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("the net is on fire")

    monkeypatch.setattr("digits.models.MLP.forward", explode)
    with pytest.raises(JobFailed, match="RuntimeError: the net is on fire"):
        train(experiment(), tmp_path)
    result = read_result(tmp_path)
    assert (result.status, result.error) == ("failed", "RuntimeError: the net is on fire")
    assert "Traceback" in (tmp_path / "error.txt").read_text()


def test_what_a_checkpoint_of_a_run_holds_is_what_load_gives(experiment: MakeExperiment, tmp_path: Path) -> None:
    train(experiment("trainer.ema_decay=0.9", "data.limit=200"), tmp_path)
    averaged = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    loaded = cast(nn.Sequential, digits.load(tmp_path))[1].state_dict()
    assert loaded
    for name, tensor in loaded.items():
        assert torch.equal(tensor, averaged[f"averaged.module.{name}"])


def test_a_model_json_that_names_something_else_is_not_called(experiment: MakeExperiment, tmp_path: Path) -> None:
    train(experiment("data.limit=100", "trainer.max_epochs=1"), tmp_path)
    model = json.loads((tmp_path / "model.json").read_text())
    harm = str(tmp_path / "harm")
    nested = {
        "_target_": "digits.runs.layout.Path.write_text",
        "self": {"_target_": "digits.hydra_app.app.Path", "_args_": [harm]},
    }
    for gadget in (
        {"_target_": "os.system", "command": f"touch {harm}"},
        {"_target_": "torch.load", "f": harm},
        {"_target_": "digits.runs.layout.subprocess.run", "args": ["touch", harm]},
        {"_target_": "torch.nn.functional.torch.hub.load", "repo_or_dir": str(tmp_path), "source": "local"},
        {"_target_": "digits.models.MLP", "hidden": [nested | {"data": "x"}]},
    ):
        model["model"] = gadget
        (tmp_path / "model.json").write_text(json.dumps(model))
        with pytest.raises(ValueError, match=r"^model\.json is refused: "):
            digits.load(tmp_path)
    assert not (tmp_path / "harm").exists()


def test_load_refuses_pictures_that_are_not_uint8(experiment: MakeExperiment, tmp_path: Path) -> None:
    train(experiment("data.limit=100", "trainer.max_epochs=1"), tmp_path)
    with pytest.raises(ValueError, match="images must be uint8"):
        digits.load(tmp_path)(torch.zeros(1, 28, 28))


def test_an_impossible_configuration_is_not_started(experiment: MakeExperiment, tmp_path: Path) -> None:
    tree = experiment().tree() | {"seed": -1}
    with pytest.raises(ConfigError, match="seed: is -1"):
        run_job(check(tree), tmp_path / "run", [])
    assert not (tmp_path / "run").exists()
