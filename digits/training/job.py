"""One job of Hydra's: an experiment in its directory, with its log, its record and its end, good or bad."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from pathlib import Path

from lightning.pytorch.utilities.exceptions import SIGTERMException
from tabulate import tabulate

from digits.config.check import ConfigError, check
from digits.config.targets import TargetError, check_read_back
from digits.config.tree import Tree
from digits.data.datasets import DataError
from digits.training.experiment import run_experiment
from digits.training.run import ERROR, JobFailed, RunDirectory, RunError

log = logging.getLogger(__name__)

NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.15, once a fit
    "Total length of `list` across ranks is zero",  # no validation loader with data.val_size=0
    "Checkpoint directory .* exists and is not empty",  # on resume that is the point
    "The number of training batches .* is smaller than the logging interval",
    "You're resuming from a checkpoint that ended before the epoch ended",
)


def run_job(tree: Tree, directory: Path, overrides: list[str]) -> float | None:
    """Run one experiment; returns its best validation accuracy, or None where nothing was validated.

    Raises JobFailed when it failed, after its record and the log say why; SystemExit(143) after SIGTERM,
    SystemExit(130) after an interrupt.
    """
    tidy_logs()
    config = check(tree)
    run = RunDirectory(directory)
    # the other processes of trainer=ddp, on this node or another, have no record of their own
    first = all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))
    if first:
        run.begin(config.tree(), overrides)
    try:
        if config.resume is not None:
            check_read_back(config.tree(), config.trust)
        outcome = run_experiment(config, run)
    except (KeyboardInterrupt, SIGTERMException, SystemExit) as stop:
        # Lightning turns SIGTERM into an exit of its own and an interrupt into exit code 1
        if first:
            run.finish("interrupted")
        sys.exit(143 if isinstance(stop, SIGTERMException) else 130)
    except Exception as error:  # whatever a job dies of belongs in its record; it is raised again as JobFailed
        expected = isinstance(error, ConfigError | TargetError | DataError | RunError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        if first:
            run.fail(reason, traceback.format_exc())
        where = "" if expected else f"\n(traceback: {directory / ERROR})"
        if first:
            log.error("failed: %s\n%s%s", " ".join(overrides) or directory, reason, where)  # noqa: TRY400 (the traceback is in error.txt)
        raise JobFailed(reason, code=2 if isinstance(error, ConfigError | TargetError | RunError) else 1) from error
    if first:
        run.finish("done", **outcome)
        log.info("%s", summary(outcome, directory))
    metrics = outcome["metrics"]
    assert isinstance(metrics, dict)
    accuracy = metrics.get("val/accuracy")
    return accuracy if isinstance(accuracy, float) else None


def tidy_logs() -> None:
    """Lightning's messages go through Hydra's handlers, once, and only those that matter."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message=f".*{message}")


def summary(outcome: Tree, directory: Path) -> str:
    """What a run came to, as a small table."""
    metrics, seconds = outcome["metrics"], outcome["seconds"]
    assert isinstance(metrics, dict)
    assert isinstance(seconds, dict)
    rows = []
    for split in ("train", "val", "test"):
        loss, accuracy = metrics.get(f"{split}/loss"), metrics.get(f"{split}/accuracy")
        if isinstance(loss, float) and isinstance(accuracy, float):
            rows.append([split, f"{accuracy:.2%}", f"{loss:.4f}"])
    epoch = int(str(outcome["epoch"])) + 1
    table = tabulate(rows, headers=["", "accuracy", "loss"], colalign=["left", "right", "right"], disable_numparse=True)
    return (
        f"\n{table}\n\nepoch {epoch} of {outcome['epochs']}, {outcome['parameters']:,} parameters, "
        f"{seconds['fit']} s of training, {outcome['images_per_second']:,.0f} images/s\n{directory}"
    )
