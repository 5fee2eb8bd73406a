"""The run directory: what a training run leaves behind, and the only thing that later commands take.

    RUN/
      result.json         the record: status, config, metrics, seed, overrides, seconds, versions, commit
      model.json          what is needed to rebuild the net: plain data
      model.safetensors   its weights: those of the best epoch, averaged if the run averaged
      checkpoints/        best.ckpt, last.ckpt to resume from, and, until it is done, the one before that
      metrics.csv         every curve, one row a step
      events.out.tfevents…  the same and more for TensorBoard
      train.log           what was printed
      error.txt           the traceback, if it failed
      nonfinite.json      the batch whose loss or gradient was not finite, if there was one
      .hydra/             what Hydra was asked for, and no record
      .claim              who works here, while somebody does

`result.json` has `status`: running, done, failed, interrupted, or pruned, for a search's trial that was ended since
others were better, and then `trial` says which it is, with what parameters. While it runs, `pid`, `host` and `alive`
(seconds since 1970) are its signs of life. Each file is written beside its place and renamed, so a reader sees
the old one or the new one. Reading takes no torch.

`task` says what was measured: the metrics, which way each is better, and the one by which the best epoch was chosen. A
record without it is of classification (`digits.config.task`).

`config` is what the run was asked for, with `trainer.precision: auto` settled before its first step.

`seconds` has `fit`: the training, its validation and what is around them, but the pictures at its end; over all starts
of the run. Older records have more.
"""

from __future__ import annotations

RESULT, MODEL, WEIGHTS, ERROR = "result.json", "model.json", "model.safetensors", "error.txt"
BEST, LAST, PREVIOUS = "checkpoints/best.ckpt", "checkpoints/last.ckpt", "checkpoints/previous.ckpt"
DAMAGED = "checkpoints/last.damaged"
WRITTEN = (BEST.partition("/")[0], ".hydra")  # the folders that a run writes into
NONFINITE = "nonfinite.json"
SEARCH = "search.json"  # of a search, which has runs in it
EVENTS = "events.out.tfevents*"
FINISHED = ("done", "interrupted", "pruned")
"""How a run ends from which another start can go on, and lose nothing if it can't."""

SIGN_OF_LIFE = 10.0
"""Seconds between two signs of life; after six of them without one, a run counts as lost."""


class RunError(ValueError):
    """A run directory that isn't there or can't be used so; the message names the fix."""


class JobFailed(Exception):  # noqa: N818 (it says what happened to the job)
    """A run failed and said why; `code` is what a command exits with, `storage` tells that nothing could be written."""

    def __init__(self, reason: str, code: int = 1, *, storage: bool = False) -> None:
        super().__init__(reason)
        self.code, self.storage = code, storage


class JobDied(JobFailed):
    """A run's process died hard: killed by a signal, a segfault, the system when memory ran out."""
