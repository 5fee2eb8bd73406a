"""What the tests share: configurations as the command line makes them, and where MNIST lies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from digits.config.check import check
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.hydra_app.compose import plain
from digits.hydra_app.paths import conf_directory

# A shell has its background jobs ignore Ctrl-C, and so would every command that the tests start from there
signal.signal(signal.SIGINT, signal.default_int_handler)

Compose = Callable[..., Tree]


@pytest.fixture
def composed() -> Iterator[Compose]:
    """Compose conf/train.yaml with overrides, as plain data."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):

        def composed(*overrides: str) -> Tree:
            return plain(compose("train", overrides=list(overrides)))

        yield composed


@pytest.fixture
def experiment(composed: Compose) -> Callable[..., Experiment]:
    """A small, quick and valid experiment on optdigits, with overrides."""
    quick = ("data=optdigits", "trainer=cpu", "trainer.max_epochs=2", "callbacks=none", "augment=none")

    def experiment(*overrides: str) -> Experiment:
        model = () if any(o.startswith("model=") for o in overrides) else ("model=mlp", "model.hidden=[32]")
        return check(composed(*quick, *model, *overrides))

    return experiment


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder MNIST lies in; where it isn't, a test that needs it is left out and says so, but never in CI."""
    root = Path(os.environ.get("DIGITS_DATA", "data"))
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").exists():
        message = f"MNIST is not in {root}: what needs the real images was left out"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return root


@pytest.fixture
def folders_read_anew() -> Iterator[None]:
    """Folders of pictures are read once a process; a test wants its own."""
    from digits.data.image_folder import read_folder  # which imports torch: not for tests of what needs none

    read_folder.cache_clear()
    yield
    read_folder.cache_clear()
