"""A server that misbehaves, a disk that is small, and MNIST's files in miniature."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from digits.data import fetch
from digits.data.datasets import read_dataset
from tests.support.mirrors import Server
from tests.support.mnist_files import NAMES, TEST, TRAIN, idx, resources_of


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch._failed.clear()
    monkeypatch.setattr("urllib.request._opener", None)  # which keeps the proxies of its first use
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 1.0)


@pytest.fixture
def refusing() -> str:
    """A mirror that isn't there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB; where none can be mounted, what needs it is left out and says so, but never in CI."""
    place = tmp_path / "disk"
    place.mkdir()
    mount, error = shutil.which("mount"), "there is no mount command"
    if mount:
        options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
        error = subprocess.run([mount, *options], capture_output=True, text=True, check=False).stderr
    if error:
        message = f"no small disk could be mounted, and what needs one was left out: {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """250 pictures of 6x6 in MNIST's files; each is filled with a number of its own, training 0…199, test 200…249."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = np.arange(TRAIN + TEST, dtype=np.uint8).reshape(-1, 1, 1).repeat(6, 1).repeat(6, 2)
    labels = (np.arange(TRAIN + TEST) % 10).astype(np.uint8)
    for name, array in zip(NAMES, (pixels[:TRAIN], labels[:TRAIN], pixels[TRAIN:], labels[TRAIN:]), strict=True):
        (folder / name).write_bytes(idx(array))
    monkeypatch.setattr(datasets.MNIST, "resources", resources_of(folder))
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody answers there
    read_dataset.cache_clear()
    yield tmp_path
    read_dataset.cache_clear()
