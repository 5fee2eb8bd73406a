"""One table over many runs: mean ± standard deviation over seeds, ranked by what their task monitors. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from digits.config.task import Task
from digits.runs.environment import one_line
from digits.runs.groups import bare, told_apart
from digits.runs.layout import SWEEP, RunError
from digits.runs.read import peek, runs_in
from digits.runs.table import (
    WITHOUT_VALIDATION,
    Group,
    Row,
    Table,
    best,
    common,
    figure_names,
    grouped,
    lead,
    ranked,
    read_rows,
    tasks_of,
)

ZONES_APART = timedelta(hours=27)
"""Local times differ by 26 hours at most: sweeps whose names are closer are ordered by their records, in UTC."""

SWEEPS = Path("outputs/sweeps")

SHOWN_MACHINES = 5  # at most so many lines about what runs were measured on

SHOWN_DIFFERENCES = 5  # at most so many recorded settings in a line's brackets

IN_BRACKETS = "in brackets: recorded settings that tell lines apart where their overrides don't"

LACKING = "; ~KEY: the line has no such key"


def print_report(sweep: Path) -> None:
    """Print the report of a sweep, or why there is none."""
    try:
        print(report(read(sweep), sweep))
    except (RunError, OSError) as error:
        print(error)


def read(folder: Path) -> list[Row]:
    """The runs in a folder; raises RunError where there is none."""
    if not folder.is_dir():
        raise RunError(f"there is no directory {folder}; name a sweep's directory, or any that holds runs")
    rows = read_rows(folder)
    if not rows:
        raise RunError(f"{folder} holds no run: there is no result.json in it, at any depth")
    return rows


def latest_sweep(sweeps: Path = SWEEPS) -> Path:
    """The sweep that started last; raises RunError where there is none."""
    found = [path for path in sweeps.iterdir() if path.is_dir()] if sweeps.is_dir() else []
    if not found:
        raise RunError(f"there is no sweep in {sweeps} yet; make one with python -m digits.train -m, or name a folder")
    dated = {folder: _dated(folder) for folder in found}
    close = [folder for folder in found if max(dated.values()) - dated[folder] < ZONES_APART]
    return max(close, key=lambda folder: (_began(folder) or dated[folder].astimezone(UTC), folder.name))


def _dated(folder: Path) -> datetime:
    """The local time in a sweep's name, in whatever time zone; without one, the folder's modification time."""
    with suppress(ValueError):  # no date, or none that there is
        return datetime.strptime(folder.name[:19], "%Y-%m-%d_%H-%M-%S")
    return datetime.fromtimestamp(folder.stat().st_mtime)


def _began(folder: Path) -> datetime | None:
    """The start of a sweep's first run, by the records; None where there is none."""
    return min((datetime.fromisoformat(began) for run in runs_in(folder) if (began := peek(run).started)), default=None)


def report(rows: list[Row], folder: Path, metric: str | None = None, *, markdown: bool = False) -> str:
    """The report as text, ranked by a metric, by default the one that most of the runs monitor."""
    tasks = tasks_of(rows)
    metric = metric or tasks[0].monitored
    counts = Counter(row.status for row in rows)
    statuses = sorted(counts, key=lambda status: (status != "done", status))
    lines = [f"{_runs(len(rows))} in {folder}: " + ", ".join(f"{counts[status]} {status}" for status in statuses)]
    groups = ranked(grouped(rows), metric)
    shared = common(groups)
    if shared and groups:
        lines.append("all with " + _typed(shared.items()))
    counted = {row.path for group in groups for row in group.rows}
    if repeated := [row for row in rows if row.status == "done" and row.path not in counted]:
        known = {bool(row.configuration): None for row in repeated}
        same = " or ".join("configuration" if recorded else "overrides" for recorded in known)
        lines.append(f"{_runs(len(repeated))} left out of the means: the same {same} and seed ran again later")
    if groups:
        apart = _apart(groups)
        table = _table(groups, shared, apart, _columns(groups, tasks, metric), markdown=markdown)
        lines += ["", table.markdown() if markdown else table.text(), ""]
        if any(apart):
            lines.append(IN_BRACKETS + LACKING * any(key.startswith("~") for found in apart for key in found))
        lines += [*_measured_on(groups, markdown=markdown), *_seed_noise(groups, metric)]
        lines += [_best(rows, task, markdown=markdown) for task in tasks]
    for status in statuses[counts["done"] > 0 :]:
        lines += ["", f"{status}:", *([""] if markdown else [])]
        for row in rows:
            if row.status == status:
                inside = str(row.path.relative_to(folder))
                name = _code(inside if inside != "." else str(row.path), markdown=markdown)
                lines.append(f"{'- ' if markdown else '  '}{name}: {row.reason}")
    if (folder / SWEEP).exists() and set(counts) != {"done"}:
        lines += ["", f"run the sweep's command again with hydra.sweep.dir={folder} to resume what isn't done"]
    elif counts.keys() & {"interrupted", "lost"}:
        lines += ["", "python -m digits.train resume=RUN resumes one that was interrupted or lost"]
    return "\n".join(lines)


def as_csv(rows: list[Row], metric: str | None = None) -> str:
    """CSV with a line for every run, the best first, ranked as in `report`; fractions in full precision."""
    metric = metric or tasks_of(rows)[0].monitored
    differing = {key for found in _apart(grouped(rows)) for key in found}
    settings = [
        {key: bare(text) for key, text in row.configuration if key in differing} | dict(row.overrides) for row in rows
    ]
    keys = sorted({key for found in settings for key in found})
    names = figure_names(rows)
    order = {group.rows[0].path: i for i, group in enumerate(ranked([Group((), (row,)) for row in rows], metric))}
    lines = zip(rows, settings, strict=True)
    cells = [
        [row.status, row.path, row.seed, *map(found.get, keys), *map(row.figure, names), row.reason]
        for row, found in sorted(lines, key=lambda line: (line[0].status != "done", order[line[0].path]))
    ]
    return Table(["status", "path", "seed", *keys, *names, "reason"], cells).csv()


def of_runs(folder: Path, metric: str | None, *, csv: bool, markdown: bool) -> str:
    """The report of a folder, as printed; raises RunError where it has no runs, or none has the metric."""
    rows = read(folder)
    names = figure_names(row for row in rows if row.status == "done")
    if metric is not None and metric not in {*(task.monitored for task in tasks_of(rows)), *names}:
        raise RunError(f"no run that is done has {metric}; there are: {', '.join(names) or 'none'}")
    return as_csv(rows, metric) if csv else report(rows, folder, metric, markdown=markdown) + "\n"


def _apart(groups: list[Group]) -> list[dict[str, str]]:
    return told_apart([group.overrides for group in groups], [group.configuration for group in groups])


def _best(rows: list[Row], task: Task, *, markdown: bool) -> str:
    chosen = best(rows, task)
    if chosen is None:
        return f"no best run: none has {task.monitored}"
    value = f"{chosen.figure(task.monitored):{'.2%' if task.is_fraction(task.monitored) else '.4f'}}"
    return f"best run by {task.monitored}, {value}: {_code(str(chosen.path), markdown=markdown)}"


def _columns(groups: list[Group], tasks: list[Task], metric: str) -> list[str]:
    """The metrics that are shown: those that some group has."""
    names = [metric, *(task.monitored for task in tasks)]
    names += [WITHOUT_VALIDATION] if any(group.mean(group.task.monitored) is None for group in groups) else []
    names += [*(f"test/{task.monitor}" for task in tasks), "parameters", "seconds"]
    return [name for name in dict.fromkeys(names) if any(group.mean(name) for group in groups)]


def _table(
    groups: list[Group], shared: dict[str, str], apart: list[dict[str, str]], names: list[str], *, markdown: bool
) -> Table:
    typed = [_typed(pair for pair in group.overrides if pair[0] not in shared) for group in groups]
    told = [_brackets(found, markdown=markdown) for found in apart]
    differing = [" ".join(filter(None, parts)) for parts in zip(typed, told, strict=True)]
    cells = [
        [what or "(defaults)", str(len(group.rows)), *(_cell(group, name) for name in names)]
        for what, group in zip(differing, groups, strict=True)
    ]
    if not any(differing):
        return Table(["n", *names], [row[1:] for row in cells], "r")
    return Table(["overrides", "n", *names], cells)


def _brackets(found: dict[str, str], *, markdown: bool) -> str:
    """The recorded settings that tell a line apart, in brackets; empty where its overrides do."""
    pairs = list(found.items())
    more = f" and {len(pairs) - SHOWN_DIFFERENCES} more" if len(pairs) > SHOWN_DIFFERENCES else ""
    return f"[{_code(_typed(pairs[:SHOWN_DIFFERENCES]), markdown=markdown)}{more}]" if pairs else ""


def _cell(group: Group, name: str) -> str:
    mean = group.mean(name)
    if mean is None:
        return ""
    if name == "parameters":
        return f"{mean.value:,.0f}"
    if name in ("seconds", "images_per_second"):
        return f"{mean.value:,.1f}"
    scale, digits = (100, 2) if group.task.is_fraction(name) else (1, 4)
    sd = "" if mean.sd is None else f" ± {mean.sd * scale:.{digits}f}"
    return f"{mean.value * scale:.{digits}f}{sd}{' %' if scale == 100 else ''}"


def _measured_on(groups: list[Group], *, markdown: bool) -> list[str]:
    """The setup that the table's runs were measured on; of several, how they differ and a line for each."""
    counts = Counter(row.made_with for group in groups for row in group.rows)
    found = [(dict(parts), number) for parts, number in counts.most_common()]
    if len(found) == 1:
        ((parts, number),) = found
        return [f"{_runs(number)} on {one_line(parts)}"]
    differing = [name for name in found[0][0] if len({parts[name] for parts, _ in found}) > 1]
    shown = [f"{_runs(number)} on {one_line(parts)}" for parts, number in found[:SHOWN_MACHINES]]
    if rest := [number for _, number in found[SHOWN_MACHINES:]]:
        shown.append(f"{_runs(sum(rest))} in {len(rest)} more ways")
    header = f"the runs of the table differ in {', '.join(differing)}:"
    return [header, *([""] if markdown else []), *(f"{'- ' if markdown else '  '}{line}" for line in shown), ""]


def _seed_noise(groups: list[Group], metric: str) -> list[str]:
    """A warning that the lead of the first group is within seed noise; empty where it isn't, or with one seed."""
    found = lead(groups, metric)
    if found is None or found[0] > found[1]:
        return []
    points = groups[0].task.is_fraction(metric)
    ahead, error = (f"{100 * x:.2f} points" if points else f"{x:.4f}" for x in found)
    return [f"within seed noise: the first is {ahead} ahead of the second, the standard error of that is {error}"]


def _typed(pairs: Iterable[tuple[str, str]]) -> str:
    """Overrides as typed."""
    return " ".join(f"{key}={value}" if not key.startswith("~") else key for key, value in pairs)


def _runs(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"


def _code(text: str, *, markdown: bool) -> str:
    return f"`{text}`" if markdown else text
