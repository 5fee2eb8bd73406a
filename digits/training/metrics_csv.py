"""A logger that writes every curve to one CSV file."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from digits.config.files import FileError, read_text
from digits.runs.atomic import write_text
from digits.runs.layout import RunError
from digits.runs.table import Table

LARGEST = 1 << 28  # maximum size of a file that is read back, in bytes; a million rows take a tenth of it


class MetricsCSV(Logger):
    """Writes `metrics.csv`: one row per step, one column per metric, empty where nothing was logged.

    Writes at every validation, with every checkpoint and at the end: the whole file, to a temporary one that is then
    renamed. A resumed run keeps its earlier rows up to the step that it resumes from; Lightning's CSVLogger would
    delete them.
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
                    f"{self.path} is damaged ({error}); move it away, and the run resumes without it"
                ) from None

    @property
    @override
    def name(self) -> str:
        return ""

    @property
    @override
    def version(self) -> str:
        return ""

    def forget_from(self, step: int) -> None:
        """Drop the rows from a step on: a run resumed there logs them again."""
        self.rows = {s: row for s, row in self.rows.items() if s < step}

    def keep_file(self) -> None:
        """Don't write the file until `write_again`."""
        self._kept = True

    def write_again(self) -> None:
        """Write the file now, and from now on whenever it is due."""
        self._kept = False
        if self.rows:
            self.save()

    @rank_zero_only
    @override
    def log_hyperparams(self, params: dict[str, object] | Namespace, *args: object, **kwargs: object) -> None:
        """Nothing to do: `result.json` holds the configuration."""

    @rank_zero_only
    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = self.rows.setdefault(int(step or 0), {"step": str(step or 0)})
        row |= {key: f"{value:.6g}" for key, value in metrics.items()}
        if "val/loss" in metrics:
            self.save()

    @rank_zero_only
    @override
    def save(self) -> None:
        if self._kept:
            return
        logged = {key for row in self.rows.values() for key in row}
        columns = ["step", "epoch", *sorted(logged - {"step", "epoch"})]
        rows = [[self.rows[step].get(column) for column in columns] for step in sorted(self.rows)]
        write_text(self.path, Table(columns, rows).csv())

    @rank_zero_only
    @override
    def finalize(self, status: str) -> None:
        if self.rows:
            self.save()
