"""The run directory: the files that a training run writes, and the only input of later commands.

    RUN/
      result.json         the record: status, config, metrics, seed, overrides, seconds, versions, commit
      model.json          what is needed to rebuild the net: plain data
      model.safetensors   its weights: those of the best epoch, averaged if the run averaged
      checkpoints/        best.ckpt, last.ckpt to resume from, and, until the run is done, the one before it
      metrics.csv         every curve, one row per step
      events.out.tfevents…  the same and more for TensorBoard
      train.log           what was printed
      error.txt           the traceback, if it failed
      lr_find.png         the search that trainer.find_lr asks for
      nonfinite.json      the batch whose loss or gradient was not finite, if there was one
      wandb/              W&B's files, with logger=wandb
      wandb.json, mlflow.json  the ids of the run there, by which it is resumed
      .hydra/             Hydra's own copy of the configuration, which is not the record
      .claim              the process that works here, while there is one

`result.json` has `status`: running, done, failed, interrupted, or pruned, for a trial that its search stopped early;
`trial` names the trial of a search and its parameters. While the run is running, `pid`, `host` and `alive` (seconds
since 1970) are its heartbeat. Each file is written under another name and renamed, so that a reader sees the old or the
new one. Reading takes no torch.

`task` describes what was measured: the metrics, which way each is better, and the one that chose the best epoch. A
record without it is of classification (`digits.config.task`).

`config` is the configuration that was asked for, with `trainer.precision: auto` replaced by the precision chosen before
the first step. After the search of `trainer.find_lr`, that key is false and `optimizer.lr` is the one trained with.

`seconds` has `fit`: the training with its validation and overhead, without the plots at its end, over all starts of the
run. Older records have more.
"""

from __future__ import annotations

RESULT, MODEL, WEIGHTS, ERROR = "result.json", "model.json", "model.safetensors", "error.txt"
BEST, LAST, PREVIOUS = "checkpoints/best.ckpt", "checkpoints/last.ckpt", "checkpoints/previous.ckpt"
DAMAGED = "checkpoints/last.damaged"
NONFINITE = "nonfinite.json"
LR_FIND = "lr_find.png"
SEARCH = "search.json"  # in the directory of a search, which holds its runs
EVALUATIONS = "evaluation/*/evaluation.json"  # of `digits.evaluate`
CORRUPTED = "evaluation/*/corrupted.json"  # of `digits.evaluate --corrupt`
SWEEP = "multirun.yaml"  # Hydra's, in the directory of a sweep, which holds its runs
EVENTS = "events.out.tfevents*"
WRITTEN = (  # what a run writes to, or into: names in its directory
    *(RESULT, MODEL, WEIGHTS, ERROR, NONFINITE, LR_FIND, EVENTS, "checkpoints/", ".hydra/", ".claim"),
    *("metrics.csv", "hparams.yaml", "train.log", "*.part", "wandb", "mlruns", "lightning_logs"),
    *("wandb.json", "mlflow.json"),
)
FINISHED = ("done", "interrupted", "pruned")
"""Statuses of a run that can be resumed; its record stays as it is if the resumed run fails before its first step."""

SIGN_OF_LIFE = 10.0  # seconds between two heartbeats; six times as long without one, and a run counts as lost


class RunError(ValueError):
    """A run directory that doesn't exist or can't be used; the message names the fix."""


class JobFailed(Exception):  # noqa: N818 (it names what happened to the job)
    """A run failed for a known reason; `code` is the command's exit code, `storage`: nothing could be written."""

    def __init__(self, reason: str, code: int = 1, *, storage: bool = False) -> None:
        super().__init__(reason)
        self.code, self.storage = code, storage


class JobDied(JobFailed):
    """A run's process died: killed by a signal, by a segfault, or by the system out of memory."""
