"""A loss or gradient that is not finite: the step isn't made, and can be made again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file

from digits.config.check import check
from digits.config.instantiate import instantiate
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.data import BatchLoader, MNISTDataModule
from digits.runs.layout import LAST, JobFailed
from digits.runs.read import read_result
from digits.training.job import run_job

MakeExperiment = Callable[..., Experiment]

POISON: Tree = {"_target_": "tests.support.poison.PoisonedLoss", "at": [13]}  # the second epoch's fourth step
SHORT = ("data.batch_size=128", "checkpoint_minutes=1e-6", "test=false")


def poisoned(config: Experiment, loss: Tree) -> Tree:
    return config.tree() | {"loss": loss}


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_run_stops_before_its_weights_are_spoilt(
    experiment: MakeExperiment, tmp_path: Path, gradient_only: bool
) -> None:
    with pytest.raises(
        JobFailed, match=r"epoch 2, step 13: the loss is .* nonfinite\.json\. Start from scratch with a smaller"
    ) as failure:
        run_job(check(poisoned(experiment(*SHORT), POISON | {"gradient_only": gradient_only})), tmp_path, [])
    assert failure.value.code == 1
    result = read_result(tmp_path)
    assert result.status == "failed"
    assert "trainer.on_nonfinite=skip" in str(result.error)
    checkpoint = torch.load(tmp_path / LAST, weights_only=True)
    assert checkpoint["global_step"] == 13, "the steps before it are kept"
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


def test_the_batch_can_be_made_again(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(*SHORT)
    with pytest.raises(JobFailed):
        run_job(check(poisoned(config, POISON)), tmp_path, [])
    left = json.loads((tmp_path / "nonfinite.json").read_text())
    assert (left["epoch"], left["step"], left["batches"][0]["loss"]) == (1, 13, "inf")
    data = MNISTDataModule(
        **{k: v for k, v in config.data.tree().items() if k != "_target_"},  # type: ignore[arg-type]  # checked by the schema
        seed=config.seed,
    )
    data.setup()
    loader = BatchLoader(data.train, 128, seed=config.seed)
    loader.set_epoch(1)
    batch = list(loader)[3]
    assert left["batches"] == [{"indices": batch.indices.tolist(), "seed": batch.seed, "loss": "inf"}]


def test_skip_leaves_the_step_out_and_nothing_else(
    experiment: MakeExperiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = experiment(*SHORT, "trainer.on_nonfinite=skip", "scheduler=constant")
    with caplog.at_level(logging.WARNING):
        run_job(check(poisoned(config, POISON)), tmp_path, [])
    assert [line for line in caplog.messages if "skipped" in line] == [
        "step 13 skipped: its loss or gradient is not finite"
    ]
    result = read_result(tmp_path)
    assert (result.status, result.steps) == ("done", 20)
    tensors = load_file(tmp_path / "model.safetensors")
    assert all(value.isfinite().all() for value in tensors.values())


def test_a_step_that_is_left_out_is_in_no_mean_and_no_average(experiment: MakeExperiment, tmp_path: Path) -> None:
    """With weights that don't move, the epoch's mean is that of the other batches."""
    frozen = ("optimizer.lr=1e-30", "optimizer.weight_decay=0", "model.dropout=0", "trainer.max_epochs=1")
    config = experiment(*SHORT, *frozen, "trainer.on_nonfinite=skip", "trainer.ema_decay=0.9", "data.limit=500")
    losses, right, count = 0.0, 0.0, 0
    run_job(check(poisoned(config, POISON | {"at": [2]})), tmp_path, [])
    (epoch,) = read_result(tmp_path).history
    state = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
    assert int(state["averaged.n_averaged"]) == 3, "of the 4 steps"

    data = MNISTDataModule(
        **{k: v for k, v in config.data.tree().items() if k != "_target_"},  # type: ignore[arg-type]  # checked by the schema
        seed=config.seed,
    )
    data.setup()
    torch.manual_seed(config.seed)
    net = cast(torch.nn.Module, instantiate(config.model.tree())).train()
    for i, batch in enumerate(BatchLoader(data.train, 128, seed=config.seed)):
        if i != 2:
            logits = net(data.normalise(batch.images)).detach()
            losses += float(torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum"))
            right += float((logits.argmax(1) == batch.labels).sum())
            count += len(batch.labels)
    assert count == 500 - 128
    assert epoch["train/loss"] == pytest.approx(losses / count, rel=1e-4)
    assert epoch["train/accuracy"] == pytest.approx(right / count)


def test_skip_keeps_what_the_forward_pass_would_spoil(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(*SHORT, "trainer.on_nonfinite=skip")
    net: Tree = {
        "_target_": "tests.support.poison.PoisonousNet",
        "image_size": 28,
        "num_classes": 10,
        "poison": 7,
    }
    run_job(check(config.tree() | {"model": net}), tmp_path, [])
    tensors = load_file(tmp_path / "model.safetensors")
    assert all(value.isfinite().all() for value in tensors.values())
    assert int(tensors["norm.num_batches_tracked"]) in (9, 19), "of the 10 or 20 steps one was taken back"


def test_weights_that_are_lost_are_not_skipped_for_ever(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(*SHORT, "trainer.on_nonfinite=skip", "trainer.max_epochs=4")
    with pytest.raises(JobFailed, match=r"the 20 steps before it were skipped as well.*32-true$"):
        run_job(check(poisoned(config, POISON | {"at": list(range(5, 40))})), tmp_path, [])


def test_ignore_looks_at_nothing(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(*SHORT, "trainer.on_nonfinite=ignore", "trainer.max_epochs=1")
    run_job(check(poisoned(config, POISON | {"at": [3]})), tmp_path, [])
    tensors = load_file(tmp_path / "model.safetensors")
    assert not all(value.isfinite().all() for value in tensors.values())


def test_every_batch_of_an_accumulated_step_is_kept(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(*SHORT, "trainer.accumulate_grad_batches=2")
    with pytest.raises(JobFailed):
        run_job(check(poisoned(config, POISON | {"at": [2]})), tmp_path, [])
    left = json.loads((tmp_path / "nonfinite.json").read_text())
    assert [batch["loss"] == "inf" for batch in left["batches"]] == [True, False]
    assert all(len(batch["indices"]) == 128 for batch in left["batches"])
