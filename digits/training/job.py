"""One Hydra job: an experiment in its directory, with its log, its record and its success or failure."""

from __future__ import annotations

import errno
import logging
import sys
import threading
import traceback
import warnings
from contextlib import closing, suppress
from logging.handlers import MemoryHandler
from pathlib import Path

from digits.config.faults import ConfigError, TargetError
from digits.config.instantiate import check_read_back
from digits.config.schema import Experiment
from digits.config.task import Task, task_of
from digits.data.datasets import DataError
from digits.processes.signals import Interrupted, Signals
from digits.runs import weights
from digits.runs.atomic import StorageError
from digits.runs.compare import compare, differences
from digits.runs.layout import ERROR, JobFailed, RunError
from digits.runs.read import first_process, peek
from digits.runs.record import RunDirectory
from digits.runs.resume import resume_command
from digits.runs.schema import Outcome, RunRecord, TrialOf
from digits.runs.table import Table
from digits.training import checkpoints
from digits.training.callbacks import Pruning
from digits.training.experiment import run_experiment
from digits.training.nonfinite import NonfiniteError

log = logging.getLogger(__name__)

NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.15, once a fit
    "Total length of `list` across ranks is zero",  # no validation loader with data.val_size=0
    "Checkpoint directory .* exists and is not empty",  # always so on resume
    "The number of training batches .* is smaller than the logging interval",
    "torch.distributed.nn.functional.all_gather is deprecated",  # Lightning 2.6 with torch 2.15
    r"It is recommended to use `self.log\('train/images_per_second'",  # logged by rank 0 for all processes together
    "The ``compute`` method of metric .* was called before the ``update`` method",  # a checkpoint restored its sums
)

LINES = 10_000  # maximum number of log lines that wait for a run's first step

NO_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM}
"""Errors of a disk that is full, read-only, broken or gone, or of a folder without write permission."""


def run_job(
    config: Experiment,
    directory: Path,
    overrides: list[str],
    trial: TrialOf | None = None,
    pruning: Pruning | None = None,
) -> float | None:
    """Run one experiment; returns the metric that its task monitors, of the best epoch, or None without validation.

    For a search's trial, `trial` goes into the record and `pruning` may end the run. Raises JobFailed on failure, with
    the reason in the record and the log; Interrupted after a signal, which exits with 143 (SIGTERM) or 130 (Ctrl-C).
    """
    tidy_logs()
    run = RunDirectory(directory)
    first = first_process()  # the others of trainer=ddp have no record of their own
    with closing(run), Signals() as signals:  # closed, which may need a network, where a signal ends it
        try:
            if first:
                run.begin(config.tree(), overrides, trial)
                hold_logs(run)
            if config.resume is not None or config.config_from is not None:
                check_read_back(config.tree(), config.trust)
                weights.check_small([config.loss.tree(), *(transform.tree() for transform in config.augment.values())])
            origin = peek(Path(config.config_from)) if config.config_from is not None else RunRecord()
            for sentence in differences(origin, run.record) if origin.tree() and first else []:
                log.warning("%s: %s", config.config_from, sentence)
            outcome = run_experiment(config, run, signals, pruning)
            signals.hold()  # a signal now must not turn a done run into an interrupted one
            if first:
                run.finish(outcome)
                checkpoints.keep_only(directory, config.checkpoints)
        except Interrupted as left:
            if not first:  # the launcher treats any other exit code as a failure
                sys.exit(0)
            if run.begun:  # else it was interrupted before it began
                with suppress(StorageError):
                    run.interrupt()
            log.info("interrupted; to resume: %s", resume_command(directory, config.tree()))
            raise left from None
        except (Exception, SystemExit) as error:  # every failure belongs in the record
            raise _failed(error, run if first else None, config, overrides) from error
        task = task_of(config.task.target)
        if first:  # before the run is closed, which may take long
            log.info("%s", summary(outcome, task, config.test_views, run.record.parameters or 0, directory))
            if origin.tree():
                log.info("%s", compare(origin, run.record))
    return outcome.metrics.get(task.monitored)


def _failed(error: BaseException, run: RunDirectory | None, config: Experiment, overrides: list[str]) -> JobFailed:
    """Write the reason of a failure to the run's record and the log; returns the exception to raise."""
    expected = isinstance(error, ConfigError | TargetError | DataError | RunError | NonfiniteError)
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    storage = False
    if run is not None:
        if isinstance(error, OSError) and (
            isinstance(error, StorageError) or error.errno in NO_STORAGE or not run.path.exists()
        ):
            storage = True
            what = error if isinstance(error, StorageError) else f"{run.path} can't be written: {error.strerror}"
            reason = f"{what}; free or remount the disk, then resume: {resume_command(run.path, config.tree())}"
        try:
            run.fail(reason, "".join(traceback.format_exception(error)))
        except StorageError as full:  # the record then ends with its last heartbeat
            if not storage:
                log.error("%s", full)  # noqa: TRY400 (the traceback helps nobody)
        where = "" if expected or storage else f"\n(traceback: {run.path / ERROR})"
        if run.keeps_former:  # no error.txt is written beside the record of a run that is done
            where = f"\n{run.path} is unchanged"
            if not expected:
                traceback.print_exception(error)
        log.error("failed: %s\n%s%s", " ".join(overrides) or run.path, reason, where)
    code = 2 if isinstance(error, ConfigError | TargetError | RunError) else 1
    return JobFailed(reason, code, storage=storage)


def hold_logs(run: RunDirectory) -> None:
    """Hold log lines back from the log file until the run's files are this start's; the screen shows them at once."""
    if not run.keeps_former:
        return
    root = logging.getLogger()
    for file in [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]:
        waiting = MemoryHandler(LINES, logging.CRITICAL + 1)  # without a target: what waits at the end is dropped

        def let_through(file: logging.FileHandler = file, waiting: MemoryHandler = waiting) -> None:
            root.removeHandler(waiting)
            waiting.setTarget(file)
            waiting.flush()
            root.addHandler(file)

        root.removeHandler(file)
        root.addHandler(waiting)
        run.once_begun(let_through)


def tidy_logs() -> None:
    """Route Lightning's messages through Hydra's handlers, once, and only warnings."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # the report of trainer.profiler
    logging.raiseExceptions = False  # a log that can't be written must not fill the screen with tracebacks
    threading.excepthook = _quiet_about_storage
    for message in NOISE:
        warnings.filterwarnings("ignore", message=f".*{message}")


def _quiet_about_storage(failure: threading.ExceptHookArgs) -> None:
    """Don't print storage errors of TensorBoard's thread: its next write raises them as well."""
    if not isinstance(failure.exc_value, OSError):
        threading.__excepthook__(failure)


def summary(outcome: Outcome, task: Task, views: int, parameters: int, directory: Path) -> str:
    """A run's metrics as a small table; `views` is the number of views of its test."""
    rows, measured = [], task.headline
    for split in ("train", "val", "test"):
        values = [(outcome.metrics.get(f"{split}/{metric.name}"), metric.fraction) for metric in measured]
        cells = [f"{x:.2%}" if fraction else f"{x:.4f}" for x, fraction in values if x is not None]
        if len(cells) == len(measured):
            by = f", {views} views" if split == "test" and views != 1 else ""
            rows.append([f"{split}{by}", *cells])
    table = Table(["", *(metric.name for metric in measured)], rows).text()
    ended = "pruned: " if outcome.status == "pruned" else ""
    return (
        f"\n{table}\n\n{ended}epoch {outcome.epoch + 1} of {outcome.epochs}, {parameters:,} parameters, "
        f"{outcome.seconds['fit']} s of training, {outcome.images_per_second:,.0f} images/s\n{directory}"
    )
