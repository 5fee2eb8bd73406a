"""Sweeps whose jobs die or take their time, and what they leave."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from digits.hydra_app.paths import job_directory
from tests.support.commands import QUICK, digits

BURNING = (*QUICK, "model._target_=burning.Net")
SLOW = (*(o for o in QUICK if "max_epochs" not in o), "trainer.max_epochs=8", "model._target_=slow.Net")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="jobs have processes of their own on Linux only")


def write_burning(folder: Path) -> None:
    """A net that dies in several ways while the folder holds a file named fire."""
    (folder / "fire").touch()
    (folder / "burning.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from digits.models import MLP\n"
        "class Net(MLP):\n"
        "    def __init__(self, image_size: int, num_classes: int, hidden: list[int], dropout: float) -> None:\n"
        "        burns = Path('fire').exists()\n"
        "        if burns and dropout == 0.3: raise RuntimeError('the net is on fire')\n"
        "        if burns and dropout == 0.4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        if burns and dropout == 0.5: os._exit(7)\n"
        "        super().__init__(image_size, num_classes, hidden, dropout)\n"
    )


def write_slow(folder: Path) -> None:
    """A net that takes its time while the folder holds a file named slow."""
    (folder / "slow").touch()
    (folder / "slow.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from torch import Tensor\n"
        "from digits.models import MLP\n"
        "class Net(MLP):\n"
        "    def forward(self, pixels: Tensor) -> Tensor:\n"
        "        if Path('slow').exists(): time.sleep(0.15)\n"
        "        return super().forward(pixels)\n"
    )


def directory_of(*overrides: str) -> Path:
    """Where a job of a sweep goes, whichever place it has in it."""
    return Path("sweep", job_directory(",".join(sorted(overrides))))


def digest(run: Path) -> dict[str, str]:
    """Every file of a run, bit for bit, but for `.hydra/`, which Hydra writes at every start."""
    files = [path for path in run.rglob("*") if path.is_file() and ".hydra" not in path.parts]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def burning(
    cwd: Path, *dropouts: float, more: tuple[str, ...] = (), fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    sweep = (*BURNING, f"model.dropout={','.join(map(str, dropouts))}", "hydra.sweep.dir=sweep", *more)
    return digits("train", "-m", *sweep, cwd=cwd, fresh=fresh)


def job(cwd: Path, dropout: float) -> Path:
    return cwd / directory_of(*BURNING, f"model.dropout={dropout}")
