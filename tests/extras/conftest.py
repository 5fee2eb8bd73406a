"""Loggers that are extras: what needs one that isn't installed is left out and says so, but never in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from digits.config.schema import DESCRIBED, Experiment
from tests.support.resumed import cut, go_on
from tests.support.runs import experiment

ALL = (
    "data=optdigits", "data.batch_size=128", "model=mlp", "model.hidden=[16]", "trainer=cpu", "trainer.max_epochs=3",
    "trainer.log_every_n_steps=3", "checkpoint_minutes=null", "optimizer.lr=0.005", "callbacks=dashboard",
    "callbacks.dashboard.every_n_epochs=1", "logger=[default,wandb,mlflow]", "logger.wandb.mode=offline",
)  # fmt: skip
"""A short training with every logger; 10 steps an epoch."""


@pytest.fixture(scope="session", autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Both packages, with their defaults; what they keep for all runs of a person is kept apart from the person's."""
    if missing := [kind.extra for kind in DESCRIBED.values() if kind.extra and find_spec(kind.extra) is None]:
        message = f"{' and '.join(missing)} not installed (nox -s extras does it): these loggers were not tried"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
            patch.delenv(name)
        for kind in ("DATA", "CACHE", "CONFIG"):
            patch.setenv(f"WANDB_{kind}_DIR", str(tmp_path_factory.mktemp(kind)))
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that failed in its second epoch, five steps after its checkpoint, and was resumed to its end."""
    run = tmp_path_factory.mktemp("project") / "outputs" / "runs" / "resumed"
    cut(config(), run, "train", 15)
    go_on(config(), run)
    return run


def config() -> Experiment:
    return experiment(*ALL)
