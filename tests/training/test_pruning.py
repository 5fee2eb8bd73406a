"""A trial that is ended since others are better: what it leaves, and that it can still be trained to its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from digits.config.check import check
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.runs.layout import LAST
from digits.runs.read import read_result
from digits.runs.schema import TrialOf
from digits.training.callbacks import Pruning
from digits.training.hparams import HPARAMS
from digits.training.job import run_job

ROW: Tree = {
    "dashboard": {"_target_": "digits.training.dashboard.Dashboard", "every_n_epochs": None},
}
TRIAL = TrialOf(
    search="test",
    number=7,
    parameters={"lr": 0.01, "optimizer": "adamw", "momentum": None, "kind": None},
    numbers=["lr", "momentum"],
)


@pytest.fixture
def config(experiment: Callable[..., Experiment]) -> Tree:
    return experiment("data.limit=300", "trainer.max_epochs=4", "logger=default").tree() | {"callbacks": ROW}


def pruned_after(epochs: int, told: list[tuple[int, float]]) -> Pruning:
    def watch(epoch: int, value: float) -> bool:
        told.append((epoch, value))
        return epoch == epochs

    return Pruning(watch, "val/accuracy")


def digest(run: Path) -> str:
    tensors = load_file(run / "model.safetensors")
    return hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest()


def test_a_pruned_trial_tells_each_epoch_and_leaves_its_record(config: Tree, tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    run_job(check(config), tmp_path, [], TRIAL, pruned_after(2, told))
    record = read_result(tmp_path)
    history = record.history
    assert (record.status, record.epochs, record.trial) == ("pruned", 2, TRIAL)
    assert told == [(1, history[0]["val/accuracy"]), (2, history[1]["val/accuracy"])]
    best = max(history, key=lambda epoch: epoch["val/accuracy"])
    metrics = record.metrics
    assert metrics["val/accuracy"] == best["val/accuracy"]
    assert not any(name.startswith("test/") for name in metrics), "no trial sees the test set"
    assert not (tmp_path / "model.safetensors").exists()
    assert record.seconds["fit"] > 0


def test_a_pruned_trial_can_be_trained_to_its_end_as_if_nothing_had_been(config: Tree, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_job(check(config), whole, [], TRIAL)
    run_job(check(config), cut, [], TRIAL, pruned_after(3, []))
    assert (cut / LAST).exists()
    run_job(check(config | {"resume": str(cut)}), cut, [])
    assert digest(cut) == digest(whole)
    ends = [read_result(run) for run in (whole, cut)]
    assert ends[0].metrics == ends[1].metrics
    assert [end.status for end in ends] == ["done", "done"]
    assert ends[1].trial == TRIAL


def hparams_of(run: Path) -> tuple[dict[str, object], EventAccumulator]:
    events = EventAccumulator(str(run))
    events.Reload()
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}, events


@pytest.mark.parametrize("epochs", [2, 4])
def test_every_trial_has_the_same_columns_in_hparams_and_its_figures(config: Tree, tmp_path: Path, epochs: int) -> None:
    overrides = ["optimizer.lr=0.01", "augment=none"]
    run_job(check(config), tmp_path, overrides, TRIAL, pruned_after(2, []) if epochs == 2 else None)
    row, events = hparams_of(tmp_path)
    assert set(row) == {*HPARAMS, "parameters", "lr", "optimizer", "momentum", "kind"}
    assert (row["lr"], row["kind"]) == (0.01, "–")
    assert row["momentum"] != row["momentum"], "a number that this trial doesn't have is NaN, and still a number"
    first, last = events.Scalars("hp/val_accuracy")
    assert first.value != first.value
    assert last.value == pytest.approx(read_result(tmp_path).metrics["val/accuracy"])


def test_no_pictures_are_drawn_for_a_trial(config: Tree, tmp_path: Path) -> None:
    run_job(check(config), tmp_path, [], TRIAL)
    _, events = hparams_of(tmp_path)
    assert not events.Tags()["images"]
    assert json.loads((tmp_path / "result.json").read_text())["trial"]["number"] == 7
