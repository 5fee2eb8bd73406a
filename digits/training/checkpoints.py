"""Checkpoints: the best epoch and the last, written beside and renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import torch
from lightning.fabric.utilities.types import _PATH
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from digits.training.run import BEST, LAST


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill leaves the old file or the new one.

    Lightning's own writes to the system's temporary folder and moves, which copies where that is another
    file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, object], path: _PATH, storage_options: object = None) -> None:
        """Save plain data and tensors to a path."""
        assert storage_options is None, "a local file has no storage options"
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            torch.save(checkpoint, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def best(path: Path) -> ModelCheckpoint:
    """Keeps the epoch with the highest validation accuracy; the earlier one where two are equal."""
    return ModelCheckpoint(
        path.parent, path.stem, monitor="val/accuracy", mode="max", save_top_k=1, enable_version_counter=False
    )


def last(path: Path) -> ModelCheckpoint:
    """Keeps the latest epoch."""
    return ModelCheckpoint(
        path.parent, path.stem, save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True
    )


def keep_only(run: Path, wanted: Literal["both", "best", "last"]) -> None:
    """Remove the checkpoints that nobody wanted to keep of a run that is done."""
    if wanted != "both" and (run / BEST).exists():
        (run / (LAST if wanted == "best" else BEST)).unlink(missing_ok=True)
