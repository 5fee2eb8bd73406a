"""The processes that train a search's trials: what they train with is imported once in each.

Every trial is a process of its own, forked from its trainer (`digits.processes.child`), so one that dies takes none
with it. It tells each epoch's figure to the search and is told whether to go on; what came of it is in its run
directory.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Literal

from digits.config.schema import Experiment
from digits.processes.child import CAN_FORK, die_with, run_isolated
from digits.processes.cores import cores
from digits.processes.signals import blocked, handle_in_worker
from digits.runs.layout import JobDied, JobFailed
from digits.runs.schema import TrialOf

LOG = "train.log"


@dataclass(frozen=True)
class TrialJob:
    """A trial to be trained."""

    experiment: Experiment
    directory: Path
    overrides: list[str]
    trial: TrialOf  # what its record says of it
    watched: str | None  # the figure that is told after every epoch; None: nobody listens


@dataclass(frozen=True)
class Winner:
    """The winner, to be tested."""

    run: Path
    directory: Path  # for what the test gives


@dataclass(frozen=True)
class Told:
    """A trial's figure after so many epochs; the answer is whether to end it."""

    epochs: int
    value: float


How = Literal["done", "failed", "died", "left", "stuck"]


@dataclass(frozen=True)
class Ended:
    """A trial's process is gone, and how; what came of it is in its record.

    `left` if a signal asked it to; `stuck` where its disk is full or gone, which is no fault of the trial's.
    """

    how: How = "done"
    reason: str = ""


Tell = Callable[[int, float], bool]
"""Tells how many epochs are done, and the figure after them; whether to end the trial here."""


@dataclass(frozen=True)
class Work:
    """What a trainer does. Both functions are at the top level of a module, so that its process finds them."""

    prepare: Callable[[], None]  # once, before the first trial: what it imports, every trial's process has
    do: Callable[[TrialJob | Winner, Tell], None]  # in a process of the trial's own


class Trainer:
    """One trainer process, and this side of the line to it."""

    def __init__(self, process: SpawnProcess, line: Connection) -> None:
        self.process, self.line = process, line

    def leave(self, number: int) -> None:
        """Pass a signal on; a trial that is being trained saves and leaves."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, number)

    def close(self) -> None:
        """Let it end, and wait."""
        self.line.close()
        self.process.join(timeout=20)
        if self.process.is_alive():
            self.process.kill()


def start(work: Work, workers: int) -> Trainer:
    """A trainer process, one of so many that share the cores between them."""
    context = multiprocessing.get_context("spawn")  # this process may have threads already
    threads = max(1, cores() // workers) if workers > 1 else None
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(work, theirs, threads, os.getpid()))
    resource_tracker.ensure_running()  # which lets signals through as it starts
    with blocked():  # Ctrl-C reaches all processes of a terminal; it waits until the new one can deal with it
        process.start()
    theirs.close()
    return Trainer(process, ours)


# ---- In a trainer's process ---------------------------------------------------------------------


def serve(work: Work, line: Connection, threads: int | None, parent: int) -> None:
    """Do what is asked for until the line is closed."""
    if CAN_FORK:
        die_with(parent)
    handle_in_worker()
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, str(threads))
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)  # the screen and the log are the search's
    work.prepare()
    while True:
        try:
            task = line.recv()
        except (EOFError, OSError):
            sys.exit(0)
        if not isinstance(task, TrialJob | Winner):
            continue  # an answer that its trial did not live to hear

        def job(task: TrialJob | Winner = task) -> None:
            _to_its_log(task.directory)
            work.do(task, lambda epochs, value: _tell(line, epochs, value))

        task.directory.mkdir(parents=True, exist_ok=True)
        try:
            _see_to_its_end(job, task, line)
        except BrokenPipeError:  # the search is gone, and has said why
            sys.exit(0)


def _see_to_its_end(job: Callable[[], None], task: TrialJob | Winner, line: Connection) -> None:
    """Do a job in its own process, and tell how it ended; raises SystemExit where it was asked to leave."""
    ended = Ended()
    try:
        run_isolated(job, task.directory, task.overrides if isinstance(task, TrialJob) else [])
    except JobFailed as failure:
        how: How = "died" if isinstance(failure, JobDied) else "stuck" if failure.storage else "failed"
        ended = Ended(how, str(failure))
    except SystemExit:
        line.send(Ended("left"))
        raise
    line.send(ended)


def _tell(line: Connection, epochs: int, value: float) -> bool:
    line.send(Told(epochs, value))
    return bool(line.recv())


def _to_its_log(directory: Path) -> None:
    """Whatever a trial says, libraries and crashes included, goes to its log, not to the search's screen."""
    log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.FileHandler(directory / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
