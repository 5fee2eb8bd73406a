"""A job in a process of its own that prints into a file of its directory."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from digits.processes import child

LOG = "train.log"


def run_logged(job: Callable[[], None], directory: Path, overrides: list[str]) -> None:
    """Run a job in a process of its own, as `run_isolated`, that prints into its directory's log."""

    def logged() -> None:
        if child.CAN_FORK:  # else this process has a screen that others write on
            _print_to(directory / LOG)
        job()

    directory.mkdir(parents=True, exist_ok=True)
    child.run_isolated(logged, directory, overrides)


def _print_to(path: Path) -> None:
    """Whatever this process prints, libraries and crashes included, goes to a file, not to the search's screen."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
