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


class Kept(ModelCheckpoint):
    """One checkpoint under a name of its own; a run that was moved finds it where it is now."""

    @classmethod
    def best(cls, path: Path) -> Kept:
        """The epoch with the highest validation accuracy; the earlier one where two are equal."""
        return cls(
            path.parent, path.stem, monitor="val/accuracy", mode="max", save_top_k=1, enable_version_counter=False
        )

    @classmethod
    def last(cls, path: Path) -> Kept:
        """The latest epoch."""
        return cls(path.parent, path.stem, save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True)

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Go on with what a checkpoint knew; Lightning would forget the best so far of another folder."""
        here = Path(str(self.dirpath))

        def moved(path: object) -> str:
            return str(here / Path(str(path)).name) if path else ""

        known = state_dict["best_k_models"]
        assert isinstance(known, dict)
        super().load_state_dict(
            state_dict
            | {name: moved(state_dict[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
            | {"dirpath": str(here), "best_k_models": {moved(path): score for path, score in known.items()}}
        )


def keep_only(run: Path, wanted: Literal["both", "best", "last"]) -> None:
    """Remove the checkpoints that nobody wanted to keep of a run that is done."""
    if wanted != "both" and (run / BEST).exists():
        (run / (LAST if wanted == "best" else BEST)).unlink(missing_ok=True)
