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


@pytest.fixture(scope="session")
def drawn_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's files with a few hundred drawn digits; and, in `pages`, what is composed of them."""
    from tests.support import drawn_mnist  # which imports torch, as the fixtures below do

    root = tmp_path_factory.mktemp("drawn")
    drawn_mnist.write_files(root)
    return root


@pytest.fixture
def drawn_mnist(drawn_files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, taken for MNIST's own while a test runs."""
    from digits.data.datasets import read_dataset
    from tests.support.drawn_mnist import take_files

    take_files(drawn_files, monkeypatch)
    yield drawn_files
    read_dataset.cache_clear()


@pytest.fixture(scope="session")
def page_run(drawn_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page reader after two short epochs, with the dashboard after each."""
    from tests.support.drawn_mnist import take_files
    from tests.support.runs import PAGE_READER, train

    with pytest.MonkeyPatch.context() as patch:
        take_files(drawn_files, patch)
        shown = ("callbacks=dashboard", "callbacks.dashboard.every_n_epochs=1")
        return train(tmp_path_factory.mktemp("outputs") / "outputs" / "runs" / "pages", *PAGE_READER, *shown)


@pytest.fixture(scope="session")
def eager_run(page_run: Path, drawn_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page reader that takes much for a digit, so that it finds some; it begins as `page_run`, and learns nothing."""
    import torch
    from safetensors.torch import load_file, save_file

    from tests.support.drawn_mnist import take_files
    from tests.support.runs import PAGE_READER, train

    tensors = {name: torch.clone(tensor) for name, tensor in load_file(page_run / "model.safetensors").items()}
    tensors["answer.bias"][0] = 1  # of the objectness
    begin, folder = tmp_path_factory.mktemp("begin") / "eager.safetensors", tmp_path_factory.mktemp("eager")
    save_file(tensors, begin)
    nothing = ("optimizer.lr=1e-12", "trainer.max_epochs=1", "trainer.ema_decay=null", "data.crops=1")
    with pytest.MonkeyPatch.context() as patch:
        take_files(drawn_files, patch)
        return train(folder / "outputs" / "runs" / "eager", *PAGE_READER, *nothing, f"init_from={begin}")


@pytest.fixture
def folders_read_anew() -> Iterator[None]:
    """Folders of pictures are read once a process; a test wants its own."""
    from digits.data.image_folder import read_folder  # which imports torch: not for tests of what needs none

    read_folder.cache_clear()
    yield
    read_folder.cache_clear()
