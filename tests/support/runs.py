"""Runs as `digits.train` leaves them, for what is asked of a run afterwards."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from digits.config.schema import Experiment
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.resolve import experiment_of
from digits.training.job import run_job

PAGE_READER = (
    "experiment=page_reader", "trainer=cpu", "trainer.max_epochs=2", "callbacks=none", "optimizer.lr=0.02",
    "model.channels=[8,16,16,24]", "model.head=16", "model.blocks=1", "data.val_size=200", "data.image_size=96",
    "data.batch_size=16", "data.pages=24", "data.val_pages=6", "data.test_pages=6", "data.crops=4",
)  # fmt: skip
"""A page reader that is small and trained in a second or two, of the digits of `tests.support.drawn_mnist`."""


def composed(*overrides: str) -> DictConfig:
    """conf/train.yaml with overrides."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def experiment(*overrides: str) -> Experiment:
    """The Experiment that a run with these overrides would be; raises ConfigError."""
    return experiment_of(composed(*overrides), list(overrides))


def train(directory: Path, *overrides: str) -> Path:
    """A run in a directory, which it gives back."""
    run_job(experiment(*overrides), directory, list(overrides))
    return directory


def train_small(folder: Path, epochs: int) -> Path:
    """A small MLP on optdigits after some epochs, which makes mistakes: a run in `outputs/runs/` of a folder."""
    return train(
        folder / "outputs" / "runs" / "mlp",
        "data=optdigits", "model=mlp", "model.hidden=[16]", "augment=none", "trainer=cpu",
        f"trainer.max_epochs={epochs}", "callbacks=none",
    )  # fmt: skip
