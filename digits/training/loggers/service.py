"""What a run hands to loggers beyond its curves: its record, its images, its end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from numpy.typing import NDArray

from digits.runs.layout import MODEL, RESULT, WEIGHTS
from digits.runs.record import RunDirectory
from digits.runs.schema import RunRecord

log = logging.getLogger(__name__)

Picture: TypeAlias = NDArray[np.uint8]  # (H, W, 3)

MODEL_FILES = (MODEL, WEIGHTS, RESULT)
"""What an artifact holds of a model: enough for the commands that take a run."""


class Service(ABC):
    """A logger that keeps a run of its own elsewhere. All is called on the first process only.

    Inherited, not compared by its methods: in a fast_dev_run Lightning's stand-in for a logger has any attribute.
    """

    @abstractmethod
    def begin(self, record: RunRecord) -> None:
        """Start the run there, or resume it; raises ConfigError where that can't be done."""

    @abstractmethod
    def add_image(self, tag: str, image: Picture, step: int) -> None:
        """Show an image, uint8 (H, W, 3)."""

    @abstractmethod
    def close(self, status: str, record: RunRecord) -> None:
        """Hand over the final metrics and, of a run that is done, its model; nothing if it never began."""


def begin(loggers: Iterable[Logger], run: RunDirectory) -> None:
    """Start the run wherever it is kept elsewhere, with its configuration; raises ConfigError where that fails."""
    for logger in loggers:
        if isinstance(logger, Service):
            logger.begin(run.record)


def close(loggers: Iterable[Logger], run: RunDirectory, status: str) -> None:
    """End the run wherever it is kept elsewhere. What fails there is reported: the run itself is written already."""
    for logger in loggers:
        if isinstance(logger, Service):
            try:
                logger.close(status, run.record)
            except Exception as error:  # servers and their clients can raise anything
                log.warning("could not close %s in %s: %s", run.path, type(logger).__name__, error)


def takes_images(logger: Logger) -> bool:
    """Whether `add_image` shows anything."""
    return isinstance(logger, TensorBoardLogger | Service)


def add_image(logger: Logger, tag: str, image: Picture, step: int) -> None:
    """Show an image, uint8 (H, W, 3), in TensorBoard or a service; any other logger takes none."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(tag, image, step, dataformats="HWC")
    elif isinstance(logger, Service):
        logger.add_image(tag, image, step)


def final_metrics(record: RunRecord) -> dict[str, float]:
    """The metrics of the epoch whose weights are kept, `best/val/accuracy`; those of the test are logged already."""
    return {f"best/{name}": value for name, value in record.metrics.items() if not name.startswith("test/")}
