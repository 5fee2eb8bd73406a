"""A job in a child process whose output goes to a file in its directory."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from digits.processes import child

LOG = "train.log"


def run_logged(job: Callable[[], None], directory: Path, overrides: list[str]) -> None:
    """Run a job in a child process, as `run_isolated`, with its output in its directory's log."""

    def logged() -> None:
        if child.CAN_FORK:  # else the job runs in this process, whose output is not the job's alone
            _print_to(directory / LOG)
        job()

    directory.mkdir(parents=True, exist_ok=True)
    child.run_isolated(logged, directory, overrides)


def _print_to(path: Path) -> None:
    """Redirect all output of this process to a file, including that of libraries and crashes."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
