"""The records: a file a recipe in `benchmarks/records/`, with its configuration and a line for each run.

A line is the run's `result.json` in short: what was run, where, what came out, and its curves at up to 50 epochs,
rounded, so that every figure in RESULTS.md can be traced to a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.recipes import Recipe, changed, composed, without_places
from benchmarks.seeds import Sample
from digits.config.files import RECORD_LIMIT, read_json
from digits.config.types import Tree, Value
from digits.runs.atomic import write_text
from digits.runs.layout import RunError
from digits.runs.read import read_result, runs_in, status_of
from digits.runs.schema import RunRecord

RECORDS = Path(__file__).with_name("records")

KEPT = (
    *("seed", "started", "finished", "commit", "versions", "hardware", "device", "data", "parameters"),
    *("epoch", "epochs", "steps", "seconds", "images_per_second", "weights", "metrics"),
)
"""What a line has of a `result.json`, beside the curves; the overrides may hold paths, the configuration says all."""

CURVE_POINTS = 50


class RecordError(ValueError):
    """A run that can't be recorded; the message says why and what to do."""


@dataclass
class Record:
    """What is known of one recipe: its configuration and its runs, by seed."""

    path: Path
    config: Tree = field(default_factory=dict)
    runs: list[Tree] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """The seeds that were run."""
        return [int(number(run, "seed")) for run in self.runs]

    def sample(self, *keys: str) -> Sample:
        """A figure of all runs."""
        return Sample(tuple(number(run, *keys) for run in self.runs))

    def write(self) -> None:
        """Keep it, a run a line."""
        write_lines(self.path, {"config": self.config, "runs": [*self.runs]})


def write_lines(path: Path, tree: Tree) -> None:
    """Write JSON with a line for each key, and where that is a list of mappings or of texts, one for each of them."""
    lines = []
    for key, value in tree.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and all(isinstance(item, dict | str) for item in value):
            text = "[\n" + ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n ]"
        lines.append(f" {json.dumps(key, ensure_ascii=False)}: {text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_tree(path: Path, command: str) -> Tree:
    """What a script recorded in a form of its own; raises RecordError where `command` hasn't made it yet."""
    if not path.exists():
        raise RecordError(f"there is no record {path.name}; make it: {command}")
    return read_json(path, RECORD_LIMIT, finite=False)


def read_record(name: str, folder: Path = RECORDS) -> Record:
    """The record of that name, empty where there is none yet."""
    path = folder / f"{name}.json"
    if not path.exists():
        return Record(path)
    tree = read_json(path, RECORD_LIMIT, finite=False)
    config, runs = tree.get("config", {}), tree.get("runs")
    if not isinstance(config, dict) or not isinstance(runs, list):
        raise RecordError(f"{path} is no record: it has no list of runs")
    return Record(path, config, [run for run in runs if isinstance(run, dict)])


def compact(result: RunRecord) -> Tree:
    """A `result.json` in short."""
    known = result.tree()
    short: Tree = {key: known[key] for key in KEPT if key in known}
    if result.config is not None and result.config.trainer.precision is not None:
        short["precision"] = result.config.trainer.precision  # the machine's choice, where the recipe leaves it to it
    if "metrics" in known:
        short["metrics"] = {key: _rounded(value, 7) for key, value in result.metrics.items()}  # as many as in a float32
    if "data" in known:
        short["data"] = {key: value for key, value in result.data.tree().items() if key != "checksums"}
    if "history" in known:
        short["history"] = curves(result.history)
    return short


def curves(history: Sequence[Mapping[str, Value]]) -> Tree:
    """Each curve as a list, thinned evenly where there are many epochs; the last epoch is always there."""
    every = -(-len(history) // CURVE_POINTS)
    kept = [epoch for i, epoch in enumerate(history) if (len(history) - 1 - i) % every == 0]
    names = dict.fromkeys(name for epoch in kept for name in epoch if name != "train/images_per_second")
    return {name: [_rounded(epoch.get(name), 4) for epoch in kept] for name in names}


def collect(recipe: Recipe, paths: list[Path], folder: Path = RECORDS, *, anew: bool = False) -> Record:
    """Take finished runs into a recipe's record; a path may be a run's directory or a folder that holds several.

    Raises RecordError, with every reason, where one of them is not a finished run of this recipe or has a seed that
    the record has of another run; nothing is written then. `anew` begins the record with these runs.
    """
    config = composed(recipe.overrides)
    record = read_record(recipe.name, folder)
    if anew:
        record = Record(record.path)
    elif record.runs:
        check_is_of(record, config)
    record.config = record.config or without_places(config)
    problems: list[str] = []
    by_seed = dict(zip(record.seeds, record.runs, strict=True))
    for path in paths:
        runs = list(runs_in(path))
        problems += [] if runs else [f"{path} holds no run: there is no result.json in it, at any depth"]
        for run in runs:
            try:
                line = _line(run, config)
            except (RecordError, RunError) as error:
                problems.append(str(error))
                continue
            seed = int(number(line, "seed"))
            if by_seed.setdefault(seed, line) != line:
                problems.append(f"{run} has seed {seed}, and another run has it already; each seed counts once")
    formats = {str(line.get("precision")) for line in by_seed.values()}
    if len(formats) > 1:
        problems.append(f"the runs are of {' and '.join(sorted(formats))}; a record has one number format: use --anew")
    if problems:
        raise RecordError("\n".join(problems))
    record.runs = [by_seed[seed] for seed in sorted(by_seed)]
    record.write()
    return record


def check_is_of(record: Record, config: Tree) -> None:
    """Raise RecordError where a record was made of another configuration than the recipe has now."""
    if keys := changed(record.config, config):
        raise RecordError(f"{record.path.name} was made with another {', '.join(keys)}; begin it anew with --anew")


def finished(run: Path) -> RunRecord:
    """The record of a run that was trained to its end, in one length; raises RecordError where it wasn't."""
    result = read_result(run)
    if (status := status_of(result)) != "done":
        raise RecordError(f"{run} is {status}, not done; go on with it: python -m digits.train resume={run}")
    if result.lengthened:
        raise RecordError(f"{run} was first given another length and went on; train it anew in one length")
    return result


def _line(run: Path, config: Tree) -> Tree:
    result = finished(run)
    if keys := changed({} if result.config is None else result.config.tree(), config):
        raise RecordError(f"{run} is not of this recipe: it has another {', '.join(keys)}")
    return compact(result)


def number(record: Tree, *keys: str) -> float:
    """A number somewhere in a record."""
    value: Value = record
    for key in keys:
        assert isinstance(value, dict), keys
        value = value[key]
    assert isinstance(value, int | float), keys
    return value


def described(runs: list[Tree]) -> list[str]:
    """What runs were measured on, the day that the last of them ended, and their source, a line for each source."""
    return [f"{where}; {day}, {source}" for (where, source), day in sources(runs).items()]


def sources(runs: list[Tree]) -> dict[tuple[str, str], str]:
    """The machines that runs were measured on, each with its source: the day (UTC) that the last of them ended."""
    days: dict[tuple[str, str], str] = {}
    for run in runs:
        place = _machine(run), _source(run)
        days[place] = max(days.get(place, ""), str(run["finished"])[:10])  # of 2026-11-23T02:27:06+00:00
    return days


def span(values: tuple[float, ...]) -> str:
    """Lowest–highest, whole, or the one."""
    low, high = (f"{value:,.0f}" for value in (min(values), max(values)))
    return low if low == high else f"{low}–{high}"


def threads(runs: list[Tree]) -> str:
    """On how many threads runs were trained, in brackets; empty where one hasn't recorded it."""
    known = [hardware.get("threads") for run in runs if isinstance(hardware := run["hardware"], dict)]
    counts = sorted({count for count in known if isinstance(count, int)})
    if not counts or None in known:
        return ""
    return f" ({' or '.join(map(str, counts))} {'thread' if counts == [1] else 'threads'})"


def _machine(run: Tree) -> str:
    hardware, versions = run["hardware"], run["versions"]
    assert isinstance(hardware, dict)
    assert isinstance(versions, dict)
    packages = ", ".join(f"{package} {versions[package]}" for package in ("torch", "lightning"))
    device = "" if run["device"] == "cpu" else f" and {run['device']}"
    precision = f", {run['precision']}" if "precision" in run else ""
    return f"{hardware['cpu']}{device}, {hardware['cores']} cores{precision}; Python {versions['python']}, {packages}"


def _source(run: Tree) -> str:
    commit = run["commit"]
    assert isinstance(commit, dict)
    return f"commit {str(commit['id'] or 'unknown')[:7]}{' with changes' if commit['dirty'] else ''}"


def _rounded(value: Value, digits: int) -> Value:
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
