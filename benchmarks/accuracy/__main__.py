"""The accuracy of the recipes over seeds, from the runs' own records; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.accuracy                          writes the table, and the heads of conf/experiment/*.yaml
    python -m benchmarks.accuracy run mlp cnn --jobs 2     trains the seeds that have no record, two at a time
    python -m benchmarks.accuracy collect mlp_best RUN …   takes runs in that were trained by hand, as with
                                                           python -m digits.train -m experiment=mlp_best seed=0,1,2,3,4

What is trained under which name: `benchmarks/recipes.py`. What was: `benchmarks/records/`, a file a recipe. Both take
--anew, to begin a record again after its recipe or the source has changed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.accuracy import ensemble
from benchmarks.recipes import BY_NAME, FORMER, RECIPES, Recipe, composed
from benchmarks.records import (
    RECORDS,
    Record,
    RecordError,
    check_is_of,
    collect,
    described,
    number,
    read_record,
    span,
    threads,
)
from benchmarks.results import EXPERIMENTS, replace_head, replace_section
from benchmarks.runs import Job, add_jobs, place, side_by_side, told
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


def row(recipe: Recipe, record: Record) -> str:
    """A recipe's line of the table."""
    test, runs = record.sample("metrics", "test/accuracy"), record.runs
    validated = all(number(run, "data", "val") for run in runs)
    val = record.sample("metrics", "val/accuracy").percent() if validated else TRAINED_ON_ALL
    wanted = NOTHING if recipe.wanted is None else f"≥ {100 * recipe.wanted:.2f}"
    if recipe.wanted_on_cpu is not None:
        wanted += f" (CPUs: {100 * recipe.wanted_on_cpu:.2f})"
    cells = [
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
    return f"| {' | '.join(cells)} |"


def views(record: Record) -> str:
    """By how many views of a picture its runs were tested, where that is more than one."""
    count = record.config.get("test_views", 1)
    return "" if count == 1 else f", mean of {count} views"


def spread(sample: Sample) -> str:
    """Lowest–highest, in per cent."""
    return f"{100 * min(sample.values):.2f}–{100 * max(sample.values):.2f}"


def speedrun_row(series: speedrun.Series) -> str:
    """A line of the speedrun; its section has its speed, and that the test set was looked at before."""
    test, wanted = series.accuracies, speedrun.WANTED_ACCURACY
    fit = [run.seconds["fit"] for run in series.runs]
    format_ = "" if series.precision == "bf16-mixed" else f" trainer.precision={series.precision}"
    cells = [f"`experiment=speedrun{format_}`", f"{series.parameters:,}", str(test.n), f"**{test.percent()}**",
             spread(test), TRAINED_ON_ALL, "1", f"{min(fit):.1f}–{max(fit):.1f}", f"≥ {100 * wanted:.2f}",
             f"{'**yes**' if test.mean >= wanted else 'no'}, {margin(test, wanted)}; see Speedrun"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def ensemble_row(name: str, line: Tree) -> str:
    """An ensemble's line; `benchmarks/accuracy/ensemble.py` has its members."""
    accuracy, members = number(line, "accuracy"), line["members"]
    assert isinstance(members, list)
    cells = [f"ensemble `{name}`, {len(members)} nets", "", "", f"**{100 * accuracy:.2f}**", "", "", "", "",
             f"≥ {100 * ensemble.WANTED:.2f}", "**yes**" if accuracy >= ensemble.WANTED else "no"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def seeds(recipe: Recipe, record: Record) -> str:
    """How many seeds; those that are not 0, 1, 2, … by name, so that none can be left out unseen."""
    count = len(record.seeds)
    gaps = record.seeds != list(range(count))
    text = f"{count} ({', '.join(map(str, record.seeds))})" if gaps else str(count)
    return text if count >= recipe.seeds else f"{text} of {recipe.seeds}"


def section(recipes: Sequence[Recipe], folder: Path) -> str:
    """The text under the heading in RESULTS.md."""
    rows = [f"| {' | '.join(COLUMNS)} |".replace("|  |", "| |"), f"|{'---|' * len(COLUMNS)}"]
    records = {recipe: read_record(recipe.name, folder) for recipe in recipes}
    machines: dict[str, list[str]] = {}
    for recipe, record in records.items():
        if record.runs:
            rows.append(row(recipe, record))
            machines.setdefault("\n".join(described(record.runs)), []).append(recipe.name)
    rows += (others := other_rows(folder))
    lines = [HEAD, "", *rows, ""]
    lines += [f"- {', '.join(names)}: {'; '.join(where.splitlines())}." for where, names in machines.items()]
    lines += former(folder)
    if absent := [recipe.name for recipe, record in records.items() if not record.runs]:
        lines.append(f"- Not recorded yet: {', '.join(absent)}.")
    if others:
        lines.append("- The speedrun and the ensembles have sections of their own below, with their machines.")
    return "\n".join([*lines, *neighbours([(r.name, record) for r, record in records.items() if record.runs])])


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


def other_rows(folder: Path) -> list[str]:
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


def train_missing(recipe: Recipe, jobs: int, *, anew: bool, folder: Path = RECORDS) -> None:
    """Train the seeds that have no record; each is recorded as it is done."""
    config, record = composed(recipe.overrides), read_record(recipe.name, folder)
    if record.runs and not anew:
        check_is_of(record, config)
    have = [] if anew else record.seeds
    runs = place(recipe.name, config)
    missing = [seed for seed in range(recipe.seeds) if seed not in have]
    print(f"{recipe.name}: {len(missing)} of {recipe.seeds} seeds to train, in {runs}", flush=True)
    for _, run in side_by_side([Job(recipe.overrides, seed, runs / f"seed{seed}") for seed in missing], jobs):
        collect(recipe, [run], folder, anew=anew)
        anew = False


def write(recipes: Sequence[Recipe] = RECIPES, folder: Path = RECORDS) -> None:
    """The section of RESULTS.md and the heads of the experiments, from the records.

    Raises RecordError, before anything is written, where a record was made of another recipe than there is now.
    """
    records = {recipe.name: read_record(recipe.name, folder) for recipe in recipes}
    faults = []
    for recipe in recipes:
        if records[recipe.name].runs:
            try:
                check_is_of(records[recipe.name], composed(recipe.overrides))
            except RecordError as error:
                faults.append(str(error))
    if faults:
        raise RecordError("\n".join(faults))
    for name, record in records.items():
        if record.runs and (experiment := EXPERIMENTS / f"{name}.yaml").exists():
            write_head(experiment, record)
    text = section(recipes, folder)
    print(text)
    replace_section("Accuracy", "python -m benchmarks.accuracy", text)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.accuracy", description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(dest="command")
    run = commands.add_parser("run", help="train the seeds that have no record")
    run.add_argument("names", metavar="NAME", nargs="+", choices=BY_NAME)
    add_jobs(run)
    take = commands.add_parser("collect", help="take finished runs into a record")
    take.add_argument("name", metavar="NAME", choices=BY_NAME)
    take.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="a run's directory, or a sweep's")
    for command in (run, take):
        command.add_argument("--anew", action="store_true", help="begin the record again with these runs")
    given = parser.parse_args(argv)
    with told(interrupted="the same command goes on"):
        if given.command == "run":
            for name in given.names:
                train_missing(BY_NAME[name], given.jobs, anew=given.anew)
        elif given.command == "collect":
            record = collect(BY_NAME[given.name], given.runs, anew=given.anew)
            print(f"{record.path.name}: seeds {', '.join(map(str, record.seeds))}", *described(record.runs), sep="\n")
        else:
            write()


if __name__ == "__main__":
    main()
