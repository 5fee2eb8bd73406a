"""Many configurations composed at once."""

from __future__ import annotations

from itertools import product

import hydra
import pytest
from hydra import initialize_config_dir
from omegaconf import DictConfig

from digits.hydra_app import compose
from digits.hydra_app.compose import Composer, plain
from digits.hydra_app.paths import conf_directory


def test_jobs_with_the_same_groups_share_a_composition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which costs 80 ms, so that fifteen jobs are checked within a second."""
    asked = []

    def counted(config_name: str, overrides: list[str]) -> DictConfig:
        asked.append(overrides)
        return hydra.compose(config_name, overrides)

    monkeypatch.setattr(compose, "compose", counted)
    sweep = product(("mlp", "cnn", "resnet"), (1e-2, 1e-3, 3e-4, 1e-4, 0.5))
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        composer = Composer("train")
        for model, lr in sweep:
            job = composer([f"model={model}", f"optimizer.lr={lr}"])
            assert job.optimizer.lr == lr
        assert plain(job) == plain(hydra.compose("train", ["model=resnet", "optimizer.lr=0.5"]))
    assert asked == [["model=mlp"], ["model=cnn"], ["model=resnet"]]
