"""The recipes' table in `RESULTS.md` and the figures at the heads of their experiments, from the records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.accuracy import ensemble
from benchmarks.recipes import FORMER, RECIPES, Recipe, composed
from benchmarks.records import (
    RECORDS,
    Record,
    RecordError,
    check_is_of,
    described,
    number,
    read_record,
    span,
    threads,
)
from benchmarks.results import EXPERIMENTS, by_machine, replace_head, table
from benchmarks.seeds import Sample, difference
from benchmarks.speed import speedrun
from digits.config.types import Tree

HEAD = """Accuracy on the official test set, in %: mean ± sample sd over seeds 0, 1, …, lowest–highest. The test set
is looked at once a run, with the epoch that validation accuracy chose, or with the last where all 60,000 images were
trained on. Seconds are those of the training part, fastest–slowest. What is wanted is wanted of the mean; beside
whether it was reached stands by how many points, ± the standard error of the mean. Ensembles have one accuracy, that of
the averaged probabilities. Records: `benchmarks/records/`."""

COLUMNS = (
    "",
    "parameters",
    "seeds",
    "test, mean ± sd",
    "range",
    "validation",
    "epochs",
    "seconds",
    "wanted",
    "reached",
)
NOTHING = "–"
"""In the column of what is wanted."""

TRAINED_ON_ALL = "trained on all"


def reached(recipe: Recipe, record: Record) -> str:
    """Whether the mean is what is wanted, and by how much; of fewer seeds than are wanted it can't be told."""
    test, on_cpu = record.sample("metrics", "test/accuracy"), {run.get("device") for run in record.runs} == {"cpu"}
    if recipe.wanted is None:
        return ""
    if len(record.runs) < recipe.seeds:
        return "too few seeds"
    if on_cpu and recipe.wanted_on_cpu is not None and recipe.wanted_on_cpu <= test.mean < recipe.wanted:
        return f"**on CPUs**, {margin(test, recipe.wanted_on_cpu)}"
    return f"{'**yes**' if test.mean >= recipe.wanted else 'no'}, {margin(test, recipe.wanted)}"


def margin(test: Sample, wanted: float) -> str:
    """How far a mean is above what is wanted, in points, and its standard error."""
    error = "" if test.sd is None else f" ± {100 * test.sd / math.sqrt(test.n):.2f}"
    return f"{100 * (test.mean - wanted):+.2f}{error}"


def row(recipe: Recipe, record: Record) -> list[str]:
    """A recipe's line of the table."""
    test, runs = record.sample("metrics", "test/accuracy"), record.runs
    validated = all(number(run, "data", "val") for run in runs)
    val = record.sample("metrics", "val/accuracy").percent() if validated else TRAINED_ON_ALL
    wanted = NOTHING if recipe.wanted is None else f"≥ {100 * recipe.wanted:.2f}"
    if recipe.wanted_on_cpu is not None:
        wanted += f" (CPUs: {100 * recipe.wanted_on_cpu:.2f})"
    return [
        f"`{recipe.typed}`{views(record)}",
        span(record.sample("parameters").values),
        seeds(recipe, record),
        f"**{test.percent()}**",
        spread(test),
        val,
        span(record.sample("epochs").values),
        f"{span(record.sample('seconds', 'fit').values)}{threads(runs)}",
        wanted,
        reached(recipe, record),
    ]


def views(record: Record) -> str:
    """By how many views of a picture its runs were tested, where that is more than one."""
    count = record.config.get("test_views", 1)
    return "" if count == 1 else f", mean of {count} views"


def spread(sample: Sample) -> str:
    """Lowest–highest, in per cent."""
    return f"{100 * min(sample.values):.2f}–{100 * max(sample.values):.2f}"


def speedrun_row(series: speedrun.Series) -> list[str]:
    """A line of the speedrun; its section has its speed, and that the test set was looked at before."""
    test, wanted = series.accuracies, speedrun.WANTED_ACCURACY
    fit = [run.seconds["fit"] for run in series.runs]
    format_ = "" if series.precision == "bf16-mixed" else f" trainer.precision={series.precision}"
    return [f"`experiment=speedrun{format_}`", f"{series.parameters:,}", str(test.n), f"**{test.percent()}**",
            spread(test), TRAINED_ON_ALL, "1", f"{min(fit):.1f}–{max(fit):.1f}", f"≥ {100 * wanted:.2f}",
            f"{'**yes**' if test.mean >= wanted else 'no'}, {margin(test, wanted)}; see Speedrun"]  # fmt: skip


def ensemble_row(name: str, line: Tree) -> list[str]:
    """An ensemble's line; `benchmarks/accuracy/ensemble.py` has its members."""
    accuracy, members = number(line, "accuracy"), line["members"]
    assert isinstance(members, list)
    return [f"ensemble `{name}`, {len(members)} nets", "", "", f"**{100 * accuracy:.2f}**", "", "", "", "",
            f"≥ {100 * ensemble.WANTED:.2f}", "**yes**" if accuracy >= ensemble.WANTED else "no"]  # fmt: skip


def seeds(recipe: Recipe, record: Record) -> str:
    """How many seeds; those that are not 0, 1, 2, … by name, so that none can be left out unseen."""
    count = len(record.seeds)
    gaps = record.seeds != list(range(count))
    text = f"{count} ({', '.join(map(str, record.seeds))})" if gaps else str(count)
    return text if count >= recipe.seeds else f"{text} of {recipe.seeds}"


def section(recipes: Sequence[Recipe] = RECIPES, folder: Path = RECORDS) -> str:
    """The text under the heading in RESULTS.md."""
    records = {recipe: read_record(recipe.name, folder) for recipe in recipes}
    known = {recipe: record for recipe, record in records.items() if record.runs}
    others = other_rows(folder)
    rows = [*(row(recipe, record) for recipe, record in known.items()), *others]
    machines = [(recipe.name, f"{'; '.join(described(record.runs))}.") for recipe, record in known.items()]
    lines = [HEAD, "", table(COLUMNS, rows), "", by_machine(machines), *former(folder)]
    if absent := [recipe.name for recipe in records if recipe not in known]:
        lines.append(f"- Not recorded yet: {', '.join(absent)}.")
    if others:
        lines.append("- The speedrun and the ensembles have sections of their own below, with their machines.")
    return "\n".join([*lines, *neighbours([(recipe.name, record) for recipe, record in known.items()])])


def former(folder: Path) -> list[str]:
    """What the test set had said of a recipe's former settings, so that nobody takes today's for the first look."""
    lines = []
    for name, (record, how) in FORMER.items():
        before = read_record(record, folder)
        if before.runs:
            test = before.sample("metrics", "test/accuracy")
            lines.append(
                f"- `{name}` was tested before, with {how}: {test.percent()} % over {test.n} seeds "
                f"(`benchmarks/records/{record}.json`). The present settings were chosen on images held out, by one "
                "seed each (see Choices); that others were needed was seen on the test set."
            )
    return lines


def other_rows(folder: Path) -> list[list[str]]:
    """The lines of what has a script of its own: the speedrun and all recorded ensembles, none picked out."""
    paths = [speedrun.record_of(precision, folder / speedrun.RECORD.name) for precision in speedrun.FORMATS]
    rows = [speedrun_row(speedrun.read(path)) for path in paths if path.exists()]
    return rows + [ensemble_row(name, line) for name, line in ensemble.read(folder / ensemble.RECORD.name).items()]


def neighbours(records: list[tuple[str, Record]]) -> list[str]:
    """Each recipe against the next better one: whether the seeds alone could make the difference."""
    samples = [(name, record.sample("metrics", "test/accuracy")) for name, record in records]
    by_name = dict(samples)
    formats = [(name, f"{name}_fp32") for name in by_name if f"{name}_fp32" in by_name]
    samples.sort(key=lambda pair: -pair[1].mean)
    lines = [f"- `{better}` against `{worse}`: {difference(a, b)}" for (better, a), (worse, b) in pairwise(samples)]
    text = ["", "In order, each against the next (± the standard error of the difference, Welch):", "", *lines]
    if formats:
        text += ["", "The machine's number format against float32:", ""]
        text += [f"- `{one}` against `{other}`: {difference(by_name[one], by_name[other])}" for one, other in formats]
    return text


def write_head(path: Path, record: Record) -> None:
    """Put a recipe's figures at the head of its experiment, in place of the former ones.

    Raises RecordError where it has no line for them.
    """
    test = record.sample("metrics", "test/accuracy")
    seconds = f"{span(record.sample('seconds', 'fit').values)} s of training{threads(record.runs)}"
    figures = f"test {test.percent()} % over {test.n} seed{'s' * (test.n > 1)}{views(record)}, {seconds}"
    replace_head(path, figures, [f"{where}." for where in described(record.runs)])


def write_heads(recipes: Sequence[Recipe] = RECIPES, folder: Path = RECORDS) -> None:
    """The figures at the heads of the experiments that are recorded.

    Raises RecordError, before anything is written, where a record was made of another recipe than there is now.
    """
    recorded = {recipe: record for recipe in recipes if (record := read_record(recipe.name, folder)).runs}
    faults = []
    for recipe, record in recorded.items():
        try:
            check_is_of(record, composed(recipe.overrides))
        except RecordError as error:
            faults.append(str(error))
    if faults:
        raise RecordError("\n".join(faults))
    for recipe, record in recorded.items():
        if (experiment := EXPERIMENTS / f"{recipe.name}.yaml").exists():
            write_head(experiment, record)
