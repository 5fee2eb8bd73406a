"""Trained nets, ready to be measured, each with what is recorded of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from digits.data import MNISTDataModule, Normalise, Split
from digits.evaluating.dataset import read_data
from digits.evaluating.load import rebuild
from digits.evaluating.members import Member
from digits.runs.layout import WEIGHTS, RunError
from digits.runs.read import find_run, read_model, read_result, status_of
from digits.runs.schema import Commit, RecordedData


@dataclass(frozen=True, eq=False)
class Net:
    """A trained net and what its run recorded."""

    net: nn.Module
    normalise: Normalise
    data: RecordedData  # its record's section
    seed: int
    weights: str  # their SHA-256
    commit: Commit
    views: int  # whose mean it was tested by


def read_net(name: str) -> Net:
    """The net of a run that is done; raises RunError when there is none, or when it isn't the one recorded."""
    run = find_run(name)
    record, model = read_result(run), read_model(run)
    if status_of(record) != "done":
        raise RunError(f"{run} is {status_of(record)}; take runs that are done")
    config = record.config
    if config is None or config.data is None or record.seed is None:
        raise RunError(f"{run} has no whole configuration in its record; take another run")
    views = config.test_views or 1
    net = rebuild(Member(run, model, run, None, config.data, config.data, config.trainer.channels_last, views), ())
    weights = hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest()
    if weights != (record.weights or weights):  # older runs have none on record
        raise RunError(f"{run / WEIGHTS} is not what {run} recorded when it was done; take the run as it was left")
    normalise = Normalise(model.input.mean, model.input.std)
    return Net(net, normalise, config.data, record.seed, weights, record.commit, views)


def read_splits(nets: Sequence[Net], split: str) -> tuple[MNISTDataModule, Split]:
    """The data that all nets share, and a split of it; raises RunError when they don't share it."""
    keys = ("name", "limit", *(("val_size", "split_seed") if split == "val" else ()))
    kinds = {tuple(str(net.data.at(key)) for key in keys) for net in nets}
    if len(kinds) > 1:
        raise RunError(f"the runs differ in data.{', data.'.join(keys)}: {sorted(kinds)}; compare those that agree")
    section = nets[0].data.changed({"root": os.environ.get("DIGITS_DATA", "data"), "mirrors": None})
    (data,) = read_data([section], ())
    try:
        return data, data.split(split)
    except ValueError as error:
        raise RunError(f"{error}, so the nets have seen every image that could be held out") from None
