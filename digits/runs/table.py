"""A table as text, Markdown or CSV; and many runs as one: read, grouped by configuration, ranked. No torch."""

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

WITHOUT_VALIDATION = "train/loss"
"""What ranks the runs that kept no validation images, after all the others."""

SIDES = {"l": "left", "r": "right"}


@dataclass(frozen=True)
class Table:
    """Columns and the cells below them: text as it is to be read, or for `csv` any value."""

    columns: Sequence[str]  # empty: no header
    rows: Sequence[Sequence[object]]
    align: str = "l"  # l or r, a letter a column; those it leaves out are r

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
    """One run, as far as its directory tells."""

    path: Path
    status: str  # as in the record, or lost, damaged, never started
    reason: str = ""  # why it isn't done, one line
    overrides: Pairs = ()  # without the seed
    seed: int | None = None
    finished: str = ""
    figures: tuple[tuple[str, float], ...] = ()  # metrics, parameters, seconds, images_per_second
    configuration: Pairs = ()  # what its results follow from but for the seed; empty: not recorded
    task: Task = CLASSIFICATION
    made_with: Pairs = ()  # hardware, versions, commit, in words

    def figure(self, name: str) -> float | None:
        """One of the figures, if the run has it."""
        return dict(self.figures).get(name)


@dataclass(frozen=True)
class Mean:
    """A mean over runs and their sample standard deviation, which one run has not."""

    value: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Group:
    """Runs that are done and differ by nothing but their seed, and what changes no result."""

    overrides: Pairs  # what it is called by
    rows: tuple[Row, ...]

    @property
    def task(self) -> Task:
        """What they were trained to do."""
        return self.rows[0].task

    @property
    def configuration(self) -> Pairs:
        """What was recorded of all of them; empty where it wasn't."""
        return self.rows[0].configuration

    def mean(self, name: str) -> Mean | None:
        """A figure over the runs that have it."""
        values = [value for row in self.rows if (value := row.figure(name)) is not None]
        if not values:
            return None
        return Mean(statistics.fmean(values), _sample_sd(values), len(values))


def read_rows(folder: Path) -> list[Row]:
    """Every run in a folder at any depth, and every job that left a directory without a record, by path."""
    runs = list(runs_in(folder))
    return sorted([*map(read_row, runs), *_never_started(folder, set(runs))], key=lambda row: row.path)


def read_row(run: Path) -> Row:
    """One run's record; what can't be read is a row too."""
    try:
        return _row(run, read_result(run))
    except (ValueError, OverflowError, OSError) as error:  # no JSON, or times that no clock ever showed
        return Row(run, "damaged", _first_line(error))


def grouped(rows: Iterable[Row]) -> list[Group]:
    """The runs that are done, by their configurations; of runs that repeat a seed, the latest.

    Where a record has no configuration, the overrides stand for it.
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
    """What the runs that are done were trained to do, the most frequent first; classification where there is none."""
    found = [task for task, _ in Counter(row.task for row in rows if row.status == "done").most_common()]
    return found or [CLASSIFICATION]


def best(rows: Iterable[Row], task: Task) -> Row | None:
    """The run of a task that did best on the validation split; what the test split gave never chooses."""
    done = [row for row in rows if row.status == "done" and row.task == task]
    found = [(value, row) for row in done if (value := row.figure(task.monitored)) is not None]
    choose = min if task.better(task.monitored) == "min" else max
    return choose(found, key=lambda pair: pair[0])[1] if found else None


def common(groups: Iterable[Group]) -> dict[str, str]:
    """The overrides that all groups share."""
    sets = [set(group.overrides) for group in groups]
    return dict(sorted(set.intersection(*sets))) if sets else {}


def lead(groups: list[Group], metric: str) -> tuple[float, float] | None:
    """By how much the first group's mean is ahead of the second's, and that difference's standard error.

    sqrt(s1^2/n1 + s2^2/n2), the error of two means of independent samples; None where one seed tells no spread.
    """
    means = [group.mean(metric) for group in groups[:2]]
    if len(means) < 2 or means[0] is None or means[1] is None or means[0].sd is None or means[1].sd is None:
        return None
    error = math.sqrt(means[0].sd ** 2 / means[0].n + means[1].sd ** 2 / means[1].n)
    return abs(means[0].value - means[1].value), error


def figure_names(rows: Iterable[Row]) -> list[str]:
    """Every figure that some run has, in the order of their first appearance."""
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
    """The overrides that runs of one configuration share, and all that matter of the run that needed the fewest.

    A run that took its configuration from another says nothing of what was typed, unless all did.
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
            return "no sign of life at all"
        return f"no sign of life since {datetime.fromtimestamp(record.alive, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if status == "running":
        return f"since {record.started}"
    return "" if status == "done" else _first_line(record.error or f"at {record.finished}")


def _never_started(folder: Path, runs: set[Path]) -> Iterator[Row]:
    """Directories that Hydra made for a job which never wrote its record."""
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
    """What to sort by, ascending; a diverged run's NaN is worse than any number."""
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
