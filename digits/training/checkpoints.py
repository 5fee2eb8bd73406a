"""Checkpoints: the best epoch's, and the last, from which a run resumes to the bit.

A checkpoint holds weights, optimizer, schedule, position in the data, state of the callbacks and the epoch's running
means. Randomness needs no state: it is a function of (seed, epoch, step).
"""

from __future__ import annotations

import io
import logging
import time
from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.fabric.utilities.types import _PATH
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.loops.progress import _ProcessedTracker
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from typing_extensions import override

from digits.config.task import Task
from digits.processes.signals import Signals
from digits.runs.atomic import write_bytes
from digits.runs.checkpoint_file import read_checkpoint
from digits.runs.layout import BEST, DAMAGED, LAST, PREVIOUS, RunError
from digits.runs.read import first_process
from digits.training.task_module import SUMS, AnyBatch

log = logging.getLogger(__name__)

NOTHING, SAVE, EXIT = 0, 1, 2  # what a process may want after a step


class CheckpointFiles(TorchCheckpointIO):
    """Writes each checkpoint to a temporary file beside it and renames that: a kill leaves the old file or the new one.

    `last.ckpt` is first kept in memory; `write_taken` writes it. Lightning's own plugin writes to the system's
    temporary folder and moves the file, which copies it if that is another file system.
    """

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.last, self.previous = run / LAST, run / PREVIOUS
        self.taken: bytes | None = None

    @override
    def save_checkpoint(self, checkpoint: dict[str, object], path: _PATH, storage_options: object = None) -> None:
        assert storage_options is None, "a local file has no storage options"
        content = io.BytesIO()
        torch.save(checkpoint, content)
        if Path(path) == self.last:
            self.taken = content.getvalue()
        else:
            write_bytes(Path(path), content.getbuffer())

    @override
    def load_checkpoint(
        self, path: _PATH, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, object]:
        """The content of a checkpoint, on the CPU; only plain data and tensors are read."""
        return read_checkpoint(Path(path))

    @override
    def remove_checkpoint(self, path: _PATH) -> None:
        """Remove a checkpoint of this run, and no other file: a callback's saved state could name any path."""
        place = Path(path).resolve()
        if place.suffix == ".ckpt" and place.is_relative_to(self.last.parent.parent.resolve()):
            place.unlink(missing_ok=True)

    def write_taken(self) -> None:
        """Write the checkpoint taken for `last.ckpt`; the existing one becomes `previous.ckpt`."""
        if self.taken is not None:
            write_bytes(self.last, self.taken, keep_as=self.previous)
            self.taken = None


class Best(ModelCheckpoint):
    """Keeps `best.ckpt`: the best epoch by the metric that the task monitors; of equal ones the earliest."""

    def __init__(self, run: Path, task: Task) -> None:
        path, mode = run / BEST, task.better(task.monitored)
        assert mode is not None
        super().__init__(
            path.parent, path.stem, monitor=task.monitored, mode=mode, save_top_k=1, enable_version_counter=False
        )

    @override
    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Restore the best score so far, which Lightning would forget for a run that was moved.

        Paths are set to this run's own file: Lightning deletes the files that the state names.
        """
        here = str(Path(str(self.dirpath)) / Path(BEST).name)
        is_there = Path(here).exists()
        known = state_dict["best_k_models"]
        assert isinstance(known, dict)
        paths = {
            name: here if state_dict[name] and is_there else "" for name in ("best_model_path", "kth_best_model_path")
        }
        best = dict(zip([here] * is_there, known.values(), strict=False))
        super().load_state_dict(
            state_dict | paths | {"last_model_path": "", "dirpath": self.dirpath, "best_k_models": best}
        )


class Last(Checkpoint):
    """Keeps `last.ckpt`: after every epoch, every few minutes in between, and when a signal asks the run to exit.

    It is taken where Lightning can resume: after a step that updated the weights, and at an epoch's end. It is written
    one hook later, when everything logged up to it is on disk: so for a resumed run each point of the curves is either
    written or still to come. A signal during validation does not wait for its end: the step before is repeated.
    """

    def __init__(self, files: CheckpointFiles, minutes: float | None, signals: Signals) -> None:
        self.files, self.signals = files, signals
        self.seconds = float("inf") if minutes is None else 60 * minutes
        self._saved = time.monotonic()
        self._wanted = NOTHING
        self._stopped = False

    # ---- Where a checkpoint is taken ------------------------------------------------------------

    @override
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Take a checkpoint if one is due, and always one step before a validation."""
        steps, every = batch_idx + 1, trainer.val_check_batch or 1
        accumulated = trainer.accumulate_grad_batches
        if steps % accumulated or steps % every == 0 or trainer.is_last_batch or trainer.should_stop:
            return  # in the middle of an accumulated step, or before a validation that belongs to this step
        self._ask(trainer)
        if self._wanted or steps % every + accumulated >= every:
            self._take(trainer)

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._ask(trainer)
        self._wanted, self._stopped = max(self._wanted, SAVE), trainer.should_stop
        self._take(trainer)

    # ---- Where it is written --------------------------------------------------------------------

    @override
    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: AnyBatch, batch_idx: int
    ) -> None:
        """Write the checkpoint: the loggers now have everything that the last step logged."""
        self._write(trainer)

    @override
    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Exit with the checkpoint taken before the validation, if a signal asked for it."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._ask(trainer)
            if self._wanted == EXIT:
                self._write(trainer)
            self._wanted = NOTHING

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the checkpoint: the loggers now have everything that the last epoch logged."""
        self._write(trainer)

    # ---- From the start of training to its end --------------------------------------------------

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End at once if early stopping had ended this run: Lightning would train one more epoch before it stops."""
        if self._stopped:
            log.info("early stopping had ended this run; nothing to train")
            trainer.should_stop = True

    @override
    def state_dict(self) -> dict[str, bool]:
        return {"stopped": self._stopped}

    @override
    def load_state_dict(self, state_dict: dict[str, bool]) -> None:
        self._stopped = state_dict["stopped"]

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Defer signals from here on, until `on_train_end`."""
        # Lightning 2.6 restores the loader's position when it makes the loader, but estimating the number of steps for
        # the schedule has made it before the checkpoint was loaded; no batch has been taken from it yet
        trainer.fit_loop._load_combined_loader_states()
        self._saved = time.monotonic()
        self.signals.hold()

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the last checkpoint and stop deferring signals."""
        self._write(trainer)
        trainer.strategy.barrier("training has ended")  # before any process reads the files of the first one
        self.signals.release()

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the last epoch as completed when nothing was left to train, as Lightning does after training."""
        epochs = trainer.fit_loop.epoch_progress.current
        assert isinstance(epochs, _ProcessedTracker)
        epochs.completed = epochs.processed

    def _ask(self, trainer: L.Trainer) -> None:
        """Set `_wanted` to the most that any process wants, since all must do the same."""
        if self.signals.received is not None:
            wanted = EXIT
        else:
            wanted = SAVE if time.monotonic() - self._saved > self.seconds else NOTHING
        if trainer.world_size > 1:
            most = torch.tensor(wanted, dtype=torch.float32, device=trainer.strategy.root_device)
            wanted = int(trainer.strategy.reduce(most, reduce_op="max"))
        self._wanted = wanted

    def _take(self, trainer: L.Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # set by Lightning's connector of debugging flags
            trainer.save_checkpoint(self.files.last)

    def _write(self, trainer: L.Trainer) -> None:
        wanted, self._wanted = self._wanted, NOTHING
        if not wanted:
            return
        if self.files.taken is not None:
            for logger in trainer.loggers:
                logger.save()
            self.files.write_taken()
        self._saved = time.monotonic()
        if wanted == EXIT:
            trainer.strategy.barrier("last checkpoint")  # a process that exits early would take the others down
            self.signals.leave()


def latest(run: Path) -> tuple[Path | None, int]:
    """The checkpoint to resume from, and its step; None and 0 for a run interrupted before its first checkpoint.

    If `last.ckpt` is damaged, it is `previous.ckpt` (see `put_aside`). Raises RunError when neither can be read.
    """
    faults = []
    for path in (run / LAST, run / PREVIOUS):
        try:
            step = _step_of(path)
        except RunError as error:
            faults.append(str(error))
        else:
            for fault in faults:
                log.warning("%s; resuming from %s", fault, path.name)
            return path, step
    if not (run / LAST).exists() and not (run / PREVIOUS).exists():
        return None, 0
    best = f"; to start from its best weights: init_from={run / BEST}" if (run / BEST).exists() else ""
    raise RunError("; ".join(faults) + best)


def put_aside(run: Path, chosen: Path | None) -> None:
    """Move a damaged `last.ckpt` away when `previous.ckpt` is used: else the next save would overwrite that one."""
    if chosen == run / PREVIOUS and first_process() and (run / LAST).exists():
        (run / LAST).replace(run / DAMAGED)


def _step_of(path: Path) -> int:
    content = read_checkpoint(path)
    step = content.get("global_step")
    if not isinstance(step, int) or not {"state_dict", "loops", SUMS} <= set(content):
        raise RunError(f"{path} is not a checkpoint that this version can resume from; start a new run")
    return step


def keep_only(run: Path, wanted: Literal["both", "best", "last"]) -> None:
    """Remove the checkpoints of a done run that `checkpoints` does not ask to keep."""
    for spare in (PREVIOUS, DAMAGED):
        (run / spare).unlink(missing_ok=True)
    if wanted != "both" and (run / BEST).exists():
        (run / (LAST if wanted == "best" else BEST)).unlink(missing_ok=True)
