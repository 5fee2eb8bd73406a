"""Training from Python: a list of overrides in, a run out."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from digits.hydra_app.from_python import experiment_from
from digits.processes.claim import claimed
from digits.processes.logged import LOG
from digits.processes.signals import Interrupted
from digits.runs.read import read_result
from digits.runs.schema import RunRecord
from digits.training.job import run_job

_TRAINING = threading.Lock()  # one training at a time in a process: they would share torch's seed and the log


@dataclass(frozen=True)
class Run:
    """A trained run; can be passed wherever a path is taken."""

    directory: Path
    metrics: dict[str, float]  # train/…, val/… and test/… of the saved epoch

    def __fspath__(self) -> str:
        return str(self.directory)

    @property
    def record(self) -> RunRecord:
        """The run's record, `result.json`."""
        return read_result(self.directory)


def fit(*overrides: str, directory: str | Path | None = None, config_dir: str | Path | None = None) -> Run:
    """Train as `python -m digits.train OVERRIDES` does, in this process: `fit("model=mlp", "trainer.max_epochs=2")`.

    The run's directory is a new one in `outputs/runs/` unless it is given; `config_dir` is a folder of your own YAML
    files. Raises ValueError with every fault of the configuration before a directory is made,
    `digits.runs.layout.JobFailed` where the training failed, KeyboardInterrupt where it was interrupted; then
    `fit(f"resume={directory}")` resumes it. SIGTERM ends the process as it ends the command, with exit code 143. For
    several devices or processes use the command.
    """
    folder, own = (None if path is None else Path(path).absolute() for path in (directory, config_dir))
    with _TRAINING:
        experiment, place = experiment_from(overrides, folder, own)
        with claimed(place), _logging_to(place / LOG), _globals_restored():
            try:
                run_job(experiment, place, list(overrides))
            except Interrupted as left:
                if left.code == 128 + signal.SIGINT:
                    raise KeyboardInterrupt from None
                raise
    return Run(place, dict(read_result(place).metrics))


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Log the training to the run's file and, unless the root logger has handlers, to stderr."""
    root, ours = logging.getLogger(), logging.getLogger("digits")
    file = logging.FileHandler(path, delay=True, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handlers: list[logging.Handler] = [file]
    if not root.handlers:
        handlers.append(logging.StreamHandler())
    level = ours.level
    ours.setLevel(logging.INFO)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
        ours.setLevel(level)


@contextmanager
def _globals_restored() -> Iterator[None]:
    """Restore process-wide settings that a run changes."""
    excepthook, raises = threading.excepthook, logging.raiseExceptions
    with warnings.catch_warnings():
        try:
            yield
        finally:
            threading.excepthook, logging.raiseExceptions = excepthook, raises
