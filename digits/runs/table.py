"""A table as text, Markdown or CSV; and many runs in one table: read, grouped by configuration, ranked. No torch."""

from __future__ import annotations

import csv
import io
import math
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tabulate import tabulate

from digits.config.task import CLASSIFICATION, Task
from digits.runs.environment import provenance
from digits.runs.groups import Pairs, configuration_of, matters
from digits.runs.layout import RESULT
from digits.runs.read import read_result, runs_in, status_of
from digits.runs.schema import RunRecord

WITHOUT_VALIDATION = "train/loss"  # ranks the runs without validation images, after all others

SIDES = {"l": "left", "r": "right"}


@dataclass(frozen=True)
class Table:
    """Columns and the cells below them: formatted text, or for `csv` any value."""

    columns: Sequence[str]  # empty: no header
    rows: Sequence[Sequence[object]]
    align: str = "l"  # l or r, a letter for each column; missing letters are r

    def text(self) -> str:
        """For the terminal, without a line break at the end."""
        return self._drawn(self.columns, self.rows, "simple" if self.columns else "plain")

    def markdown(self) -> str:
        """For GitHub, without a line break at the end; what would end a cell is escaped."""
        columns, *rows = [[_escaped(cell) for cell in row] for row in (self.columns, *self.rows)]
        return self._drawn(columns, rows, "github")

    def csv(self) -> str:
        """For other programs, in full precision; None is an empty cell."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.columns, *self.rows])
        return file.getvalue()

    def _drawn(self, columns: Sequence[str], rows: Sequence[Sequence[object]], form: str) -> str:
        width = len(columns or rows[0])
        align = [SIDES[side] for side in self.align.ljust(width, "r")]
        return tabulate(rows, columns, form, disable_numparse=True, colalign=align)


@dataclass(frozen=True)
class Row:
    """One run, read from its directory."""

    path: Path
    status: str  # as in the record, or lost, damaged, never started
    reason: str = ""  # why it isn't done, one line
    overrides: Pairs = ()  # without the seed
    seed: int | None = None
    finished: str = ""
    figures: tuple[tuple[str, float], ...] = ()  # metrics, parameters, seconds, images_per_second
    configuration: Pairs = ()  # the settings that its results depend on, without the seed; empty: not recorded
    task: Task = CLASSIFICATION
    made_with: Pairs = ()  # hardware, versions, commit, in words

    def figure(self, name: str) -> float | None:
        """A metric or cost by name; None where the run doesn't have it."""
        return dict(self.figures).get(name)


@dataclass(frozen=True)
class Mean:
    """A mean over runs and their sample standard deviation; None for a single run."""

    value: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Group:
    """Runs that are done and differ only in their seed and in settings without effect on results."""

    overrides: Pairs  # its label in the table
    rows: tuple[Row, ...]

    @property
    def task(self) -> Task:
        """The task of the runs."""
        return self.rows[0].task

    @property
    def configuration(self) -> Pairs:
        """The recorded settings of the runs; empty where none are recorded."""
        return self.rows[0].configuration

    def mean(self, name: str) -> Mean | None:
        """The mean of a metric or cost over the runs that have it; None where none does."""
        values = [value for row in self.rows if (value := row.figure(name)) is not None]
        if not values:
            return None
        return Mean(statistics.fmean(values), _sample_sd(values), len(values))


def read_rows(folder: Path) -> list[Row]:
    """Every run in a folder at any depth, and every job whose directory has no record, sorted by path."""
    runs = list(runs_in(folder))
    return sorted([*map(read_row, runs), *_never_started(folder, set(runs))], key=lambda row: row.path)


def read_row(run: Path) -> Row:
    """The row of a run; one whose record can't be read is a row too, as damaged."""
    try:
        return _row(run, read_result(run))
    except (ValueError, OverflowError, OSError) as error:  # not JSON, or an impossible time
        return Row(run, "damaged", _first_line(error))


def grouped(rows: Iterable[Row]) -> list[Group]:
    """The runs that are done, grouped by configuration; of runs with the same seed, only the latest.

    Where a record has no configuration, its overrides take its place.
    """
    groups: dict[tuple[Pairs, Pairs, Task], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.finished, row.path)):
        if row.status == "done":
            key = row.configuration, () if row.configuration else row.overrides, row.task
            groups.setdefault(key, []).append(row)
    return [Group(_typed_for(runs), tuple({row.seed: row for row in runs}.values())) for runs in groups.values()]


def ranked(groups: Iterable[Group], metric: str) -> list[Group]:
    """Groups, the best mean first; those without the metric last, by their training loss."""

    def key(group: Group) -> tuple[bool, float, bool, float, Pairs, Pairs]:
        first, second = (_badness(group, name) for name in (metric, WITHOUT_VALIDATION))
        return first is None, first or 0.0, second is None, second or 0.0, group.overrides, group.configuration

    return sorted(groups, key=key)


def tasks_of(rows: Iterable[Row]) -> list[Task]:
    """The tasks of the runs that are done, the most frequent first; classification where no run is done."""
    found = [task for task, _ in Counter(row.task for row in rows if row.status == "done").most_common()]
    return found or [CLASSIFICATION]


def best(rows: Iterable[Row], task: Task) -> Row | None:
    """The run of a task with the best monitored metric; the test split never chooses."""
    done = [row for row in rows if row.status == "done" and row.task == task]
    found = [(value, row) for row in done if (value := row.figure(task.monitored)) is not None]
    choose = min if task.better(task.monitored) == "min" else max
    return choose(found, key=lambda pair: pair[0])[1] if found else None


def common(groups: Iterable[Group]) -> dict[str, str]:
    """The overrides that all groups share."""
    sets = [set(group.overrides) for group in groups]
    return dict(sorted(set.intersection(*sets))) if sets else {}


def lead(groups: list[Group], metric: str) -> tuple[float, float] | None:
    """The lead of the first group's mean over the second's, and the standard error of that difference.

    sqrt(s1^2/n1 + s2^2/n2), for the means of independent samples; None where a group has a single seed.
    """
    means = [group.mean(metric) for group in groups[:2]]
    if len(means) < 2 or means[0] is None or means[1] is None or means[0].sd is None or means[1].sd is None:
        return None
    error = math.sqrt(means[0].sd ** 2 / means[0].n + means[1].sd ** 2 / means[1].n)
    return abs(means[0].value - means[1].value), error


def figure_names(rows: Iterable[Row]) -> list[str]:
    """The names of all metrics and costs that some run has, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name, _ in row.figures))


def _row(run: Path, record: RunRecord) -> Row:
    values = dict(map(_key_and_value, record.overrides or []))
    values.pop("seed", None)
    status = status_of(record)
    return Row(
        run,
        status,
        _why_not_done(status, record),
        tuple(sorted(values.items())),
        record.seed,
        str(record.finished),
        tuple(record.figures().items()),
        configuration_of(record),
        record.task,
        tuple(provenance(record).items()),
    )


def _typed_for(rows: Iterable[Row]) -> Pairs:
    """The label of a group: the overrides that all its runs share, and the relevant ones of the run with the fewest.

    Runs with config_from are left out, since they didn't type their settings, unless all runs have it.
    """
    all_typed = [set(row.overrides) for row in rows]
    typed = [pairs for pairs in all_typed if "config_from" not in dict(pairs)] or all_typed
    needed = [sorted(pair for pair in pairs if matters(pair[0])) for pairs in typed]
    return tuple(sorted({*set.intersection(*typed), *min(needed, key=lambda pairs: (len(pairs), pairs))}))


def _key_and_value(override: str) -> tuple[str, str]:
    """`+optimizer.lr=1e-3` as ("optimizer.lr", "0.001"): the same value is the same group, however it was typed."""
    key, _, value = override.partition("=")
    key = key.lstrip("+")
    with suppress(ValueError):
        return key, str(int(value))
    with suppress(ValueError):
        return key, repr(float(value))
    return key, value.lower() if value.lower() in ("true", "false", "null") else value


def _why_not_done(status: str, record: RunRecord) -> str:
    if status == "lost":
        if record.alive is None:
            return "no heartbeat at all"
        return f"no heartbeat since {datetime.fromtimestamp(record.alive, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if status == "running":
        return f"since {record.started}"
    return "" if status == "done" else _first_line(record.error or f"at {record.finished}")


def _never_started(folder: Path, runs: set[Path]) -> Iterator[Row]:
    """Directories that Hydra made for jobs that never wrote a record."""
    for name, folders, files in os.walk(folder):
        path = Path(name)
        if path in runs:
            folders.clear()
        elif (".hydra" in folders or "train.log" in files) and RESULT not in files:
            folders.clear()
            yield Row(path, "never started", f"it has no {RESULT}; its log may say why")


def _sample_sd(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


def _badness(group: Group, metric: str) -> float | None:
    """The key to sort a group by, ascending; the NaN of a diverged run is the worst."""
    mean = group.mean(metric)
    if mean is None:
        return None
    if math.isnan(mean.value):
        return math.inf
    return mean.value if group.task.better(metric) == "min" else -mean.value


def _first_line(text: object) -> str:
    return (str(text).strip().splitlines() or [""])[0]


def _escaped(cell: object) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")
