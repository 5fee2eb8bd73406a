"""Runs that are cut off and resumed, and what has to be the same at their end."""

from __future__ import annotations

import csv
import hashlib
import itertools
from pathlib import Path
from typing import NamedTuple, cast

import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator,
)
from tensorboard.summary.writer import event_file_writer

from digits.config.check import check
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.processes.signals import Interrupted
from digits.runs.layout import JobFailed
from digits.runs.read import read_result
from digits.training.job import run_job

OFTEN = ("checkpoint_minutes=1e-6", "data.batch_size=128", "trainer.max_epochs=3", "trainer.log_every_n_steps=3")
"""A checkpoint after every step that can have one; 10 steps an epoch."""

SPEED = "train/images_per_second"


STARTS = itertools.count(1000, 10)


def begin() -> None:
    """As in a process of its own, and later than the one before.

    TensorBoard orders the files of a run by what their names say: the second, the process, and a number that counts
    the files of a process, from 0. Several starts here may have the first two in common.
    """
    event_file_writer._global_uid = event_file_writer.AtomicCounter(next(STARTS))


class End(NamedTuple):
    """What has to be the same however often a run was cut off."""

    weights: str
    record: Tree
    curves: list[dict[str, str]]
    points: dict[str, list[tuple[int, str]]]


def end(run: Path) -> End:
    tensors = load_file(run / "model.safetensors")
    result = read_result(run).tree()
    record = {key: result[key] for key in ("status", "metrics", "epoch", "epochs", "steps", "parameters", "data")}
    record["history"] = [
        {key: value for key, value in epoch.items() if key != SPEED}
        for epoch in cast(list[dict[str, float]], result["history"])
    ]
    with (run / "metrics.csv").open(newline="") as file:
        rows = [{key: value for key, value in row.items() if key != SPEED} for row in csv.DictReader(file)]
    events = EventAccumulator(str(run), tensor_size_guidance={"scalars": 0})  # as TensorBoard reads
    events.Reload()
    tags = [tag for tag in events.PluginTagToContent("scalars") if tag != SPEED]
    return End(
        hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest(),
        record,
        rows,
        {tag: [(e.step, repr(e.tensor_proto.float_val[0])) for e in events.Tensors(tag)] for tag in tags},
    )


def train(config: Experiment, run: Path) -> End:
    begin()
    run_job(config, run, [])
    return end(run)


def cut(config: Experiment, run: Path, hook: str, at: int, signal_name: str = "") -> None:
    """Run until a bomb goes off."""
    bomb: Tree = {"_target_": "tests.support.bomb.Bomb", "hook": hook, "at": at, "signal_name": signal_name}
    tree = config.tree()
    callbacks = cast(Tree, tree["callbacks"])
    begin()
    with pytest.raises(Interrupted if signal_name else JobFailed):
        run_job(check(tree | {"callbacks": callbacks | {"bomb": bomb}}), run, [])


def go_on(config: Experiment, run: Path) -> End:
    begin()
    run_job(check(config.tree() | {"resume": str(run)}), run, [])
    return end(run)
