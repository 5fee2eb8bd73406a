"""Every curve in one CSV file."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from digits.config.files import FileError, read_text
from digits.runs.atomic import write_text
from digits.runs.layout import RunError
from digits.runs.table import Table

LARGEST = 1 << 28
"""Bytes of a file that is read back; a million rows have a tenth of it."""


class MetricsCSV(Logger):
    """Writes `metrics.csv`: one row a step, one column a metric, empty where nothing was logged.

    Rows are written at every validation, with every checkpoint and at the end, the whole file beside and renamed. A
    run that goes on finds its former rows again, up to the step it goes on from; Lightning's CSVLogger would delete
    them.
    """

    def __init__(self, run_directory: Path) -> None:
        super().__init__()
        self.path = run_directory / "metrics.csv"
        self.rows: dict[int, dict[str, str]] = {}
        self._kept = False  # whether the file stays as it is for now
        if self.path.exists():
            try:
                for row in csv.DictReader(io.StringIO(read_text(self.path, LARGEST))):
                    self.rows[int(row["step"])] = {key: value for key, value in row.items() if value}
            except (FileError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
                raise RunError(
                    f"{self.path} is damaged ({error}); move it away, and the run goes on without it"
                ) from None

    @property
    def name(self) -> str:
        """The logger's name."""
        return ""

    @property
    def version(self) -> str:
        """The run's version; its directory says it."""
        return ""

    def forget_from(self, step: int) -> None:
        """Drop what was logged at a step and after it: a run that goes on from there will log it again."""
        self.rows = {s: row for s, row in self.rows.items() if s < step}

    def keep_file(self) -> None:
        """Leave the file as it is until `write_again`."""
        self._kept = True

    def write_again(self) -> None:
        """Write all that was logged, now and from now on."""
        self._kept = False
        if self.rows:
            self.save()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, object] | Namespace, *args: object, **kwargs: object) -> None:
        """Nothing: `result.json` holds the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add to the step's row."""
        row = self.rows.setdefault(int(step or 0), {"step": str(step or 0)})
        row |= {key: f"{value:.6g}" for key, value in metrics.items()}
        if "val/loss" in metrics:
            self.save()

    @rank_zero_only
    def save(self) -> None:
        """Write the file."""
        if self._kept:
            return
        logged = {key for row in self.rows.values() for key in row}
        columns = ["step", "epoch", *sorted(logged - {"step", "epoch"})]
        rows = [[self.rows[step].get(column) for column in columns] for step in sorted(self.rows)]
        write_text(self.path, Table(columns, rows).csv())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the file when a loop ends, however it ended."""
        if self.rows:
            self.save()
