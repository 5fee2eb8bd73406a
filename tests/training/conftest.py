"""A trained run that several tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from digits.config.check import check
from digits.hydra_app.compose import plain
from digits.hydra_app.paths import conf_directory
from digits.training.job import run_job

SHORT = ["data=optdigits", "model=mlp", "model.hidden=[16]", "trainer=cpu", "trainer.max_epochs=3"]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """However many the tests run with: as on a machine with several cores, which must give the same bits twice too."""
    former = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def dashboard_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs on optdigits with augmentation, the dashboard after every second; 180 validation images."""
    overrides = [
        *SHORT,
        "optimizer.lr=0.01",
        "augment=affine",
        "callbacks=dashboard",
        "callbacks.dashboard.every_n_epochs=2",
    ]
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        tree = plain(compose("train", overrides=overrides))
    run = tmp_path_factory.mktemp("dashboard") / "run"
    run_job(check(tree), run, overrides)
    return run
