"""Checkpoints: the best epoch's, and the last from which a run goes on as if it had never stopped.

A checkpoint holds weights, optimizer, schedule, position in the data, counters of the callbacks and the epoch's
running means. What is drawn at random needs no state: it follows from (seed, epoch, step).
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

from digits.config.task import Task
from digits.processes.signals import Signals
from digits.runs.atomic import write_bytes
from digits.runs.checkpoint_file import read_checkpoint
from digits.runs.layout import BEST, DAMAGED, LAST, PREVIOUS, RunError
from digits.runs.read import first_process
from digits.training.task_module import SUMS, AnyBatch

log = logging.getLogger(__name__)

NOTHING, SAVE, LEAVE = 0, 1, 2
"""What a process may want after a step."""


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints beside their place and renames them: a kill leaves the old file or the new one.

    `last.ckpt` is only taken down at first; `write_taken` writes it. Lightning's own plugin writes to the system's
    temporary folder and moves, which copies where that is another file system.
    """

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.last, self.previous = run / LAST, run / PREVIOUS
        self.taken: bytes | None = None

    def save_checkpoint(self, checkpoint: dict[str, object], path: _PATH, storage_options: object = None) -> None:
        """Save plain data and tensors to a path."""
        assert storage_options is None, "a local file has no storage options"
        content = io.BytesIO()
        torch.save(checkpoint, content)
        if Path(path) == self.last:
            self.taken = content.getvalue()
        else:
            write_bytes(Path(path), content.getbuffer())

    def load_checkpoint(
        self, path: _PATH, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, object]:
        """What a checkpoint holds, on the CPU; nothing but plain data and tensors is read."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: _PATH) -> None:
        """Remove a checkpoint of this run; the state of a callback that keeps some could name anything else."""
        place = Path(path).resolve()
        if place.suffix == ".ckpt" and place.is_relative_to(self.last.parent.parent.resolve()):
            place.unlink(missing_ok=True)

    def write_taken(self) -> None:
        """Write what was taken for `last.ckpt`; the one that is there becomes `previous.ckpt`."""
        if self.taken is not None:
            write_bytes(self.last, self.taken, keep_as=self.previous)
            self.taken = None


class Best(ModelCheckpoint):
    """The epoch that is best by what the task monitors; the earlier one where two are equal."""

    def __init__(self, run: Path, task: Task) -> None:
        path, mode = run / BEST, task.better(task.monitored)
        assert mode is not None
        super().__init__(
            path.parent, path.stem, monitor=task.monitored, mode=mode, save_top_k=1, enable_version_counter=False
        )

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Go on with what a checkpoint knew; Lightning would forget the best so far of a run that was moved.

        Of its paths only whether they are there is read: Lightning removes what they name.
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
    """Keeps `last.ckpt`: after every epoch, every few minutes in between, and when a signal asks the run to leave.

    It is taken where Lightning can go on from: after a step that moved the weights, and at an epoch's end. It is
    written a hook later, when what was logged until then is on the disk: so a run that goes on finds each point of its
    curves written, or still to come. Validation is not waited for: the step before it is then made again.
    """

    def __init__(self, files: CheckpointFiles, minutes: float | None, signals: Signals) -> None:
        self.files, self.signals = files, signals
        self.seconds = float("inf") if minutes is None else 60 * minutes
        self._saved = time.monotonic()
        self._wanted = NOTHING
        self._stopped = False

    # ---- Where a checkpoint is taken ------------------------------------------------------------

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: AnyBatch, batch_idx: int
    ) -> None:
        """After a step, if it is time, and always before the last step that validation follows."""
        steps, every = batch_idx + 1, trainer.val_check_batch or 1
        accumulated = trainer.accumulate_grad_batches
        if steps % accumulated or steps % every == 0 or trainer.is_last_batch or trainer.should_stop:
            return  # in the middle of an accumulated step, or where validation belongs to what would be taken
        self._ask(trainer)
        if self._wanted or steps % every + accumulated >= every:
            self._take(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After every epoch."""
        self._ask(trainer)
        self._wanted, self._stopped = max(self._wanted, SAVE), trainer.should_stop
        self._take(trainer)

    # ---- Where it is written --------------------------------------------------------------------

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: AnyBatch, batch_idx: int
    ) -> None:
        """What the last step logged is now with the loggers."""
        self._write(trainer)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: object,
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """When it is asked to leave, a run leaves here with what was taken before."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._ask(trainer)
            if self._wanted == LEAVE:
                self._write(trainer)
            self._wanted = NOTHING

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What the last epoch logged is now with the loggers."""
        self._write(trainer)

    # ---- From the start of training to its end --------------------------------------------------

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A run that early stopping had ended stays so; Lightning would train one more epoch to find out."""
        if self._stopped:
            log.info("it had been stopped early, and is not trained any further")
            trainer.should_stop = True

    def state_dict(self) -> dict[str, bool]:
        """Whether training was stopped after the epoch that a checkpoint closes."""
        return {"stopped": self._stopped}

    def load_state_dict(self, state_dict: dict[str, bool]) -> None:
        """Stay stopped."""
        self._stopped = state_dict["stopped"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Signals wait from here on."""
        # Lightning 2.6 tells the loader where to go on when it makes it, but estimating the number of steps for the
        # schedule has made it before there was a checkpoint; it has not been asked for a batch yet
        trainer.fit_loop._load_combined_loader_states()
        self._saved = time.monotonic()
        self.signals.hold()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Until here."""
        self._write(trainer)
        trainer.strategy.barrier("training has ended")  # before any process reads what the first one wrote
        self.signals.release()

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the last epoch of a run that had nothing left to train, as Lightning does when it has."""
        epochs = trainer.fit_loop.epoch_progress.current
        assert isinstance(epochs, _ProcessedTracker)
        epochs.completed = epochs.processed

    def _ask(self, trainer: L.Trainer) -> None:
        """Note the most that any of the processes wants, since they have to do it together."""
        if self.signals.received is not None:
            wanted = LEAVE
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
        if wanted == LEAVE:
            trainer.strategy.barrier("last checkpoint")  # whoever leaves early takes the others down with it
            self.signals.leave()


def latest(run: Path) -> tuple[Path | None, int]:
    """The checkpoint to go on from, and its step; no checkpoint where a run was cut off before it had one.

    A damaged `last.ckpt` gives way to the one before (`put_aside`). Raises RunError when neither can be read.
    """
    faults = []
    for path in (run / LAST, run / PREVIOUS):
        try:
            step = _step_of(path)
        except RunError as error:
            faults.append(str(error))
        else:
            for fault in faults:
                log.warning("%s; going on from %s", fault, path.name)
            return path, step
    if not (run / LAST).exists() and not (run / PREVIOUS).exists():
        return None, 0
    best = f"; to start from its best weights: init_from={run / BEST}" if (run / BEST).exists() else ""
    raise RunError("; ".join(faults) + best)


def put_aside(run: Path, chosen: Path | None) -> None:
    """Move a damaged `last.ckpt` away, where the one before was chosen: the next would push that one out."""
    if chosen == run / PREVIOUS and first_process() and (run / LAST).exists():
        (run / LAST).replace(run / DAMAGED)


def _step_of(path: Path) -> int:
    content = read_checkpoint(path)
    step = content.get("global_step")
    if not isinstance(step, int) or not {"state_dict", "loops", SUMS} <= set(content):
        raise RunError(f"{path} is nothing that a run of this version can go on from")
    return step


def keep_only(run: Path, wanted: Literal["both", "best", "last"]) -> None:
    """Remove the checkpoints that nobody wanted to keep of a run that is done."""
    for spare in (PREVIOUS, DAMAGED):
        (run / spare).unlink(missing_ok=True)
    if wanted != "both" and (run / BEST).exists():
        (run / (LAST if wanted == "best" else BEST)).unlink(missing_ok=True)
