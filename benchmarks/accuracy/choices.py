"""What was tried before a recipe's settings were chosen; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.accuracy.choices                              writes the tables from the records
    python -m benchmarks.accuracy.choices mlp_best "48 epochs" RUN     takes a run in that kept validation images back

A run is judged by its last epoch, as the recipe is, on the images it kept back, and by 1, 5 and 9 views of each. The
test set is not looked at. Records: `benchmarks/records/NAME-choice.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast, get_args

from benchmarks.recipes import BY_NAME
from benchmarks.records import RECORDS, Record, RecordError, compact, described, finished, number, read_record
from benchmarks.results import replace_section
from benchmarks.runs import output_of, told
from digits.config.schema import Views
from digits.config.types import Tree, Value
from digits.exporting.onnx_export import without_places

SUFFIX = "-choice"
UNKNOWN = "–"
VIEWS = get_args(Views)

HEAD = """Runs that settings were chosen by: accuracy in % at the last epoch on training images that were kept back, the
mean of so many views of each. One seed each: a few images tell nothing. Overrides are of the recipe as it was at the
commit in their line. The test set is not looked at. Records: `benchmarks/records/`."""


def line(what: str, run: Path) -> Tree:
    """A run's line in the record.

    Raises RecordError where it isn't done in one length, kept no images back, or has looked at the test set.
    """
    result = finished(run)
    short = compact(result)
    if not number(short, "data", "val"):
        raise RecordError(f"{run} kept no images back to choose by; train it with data.val_size=10000")
    if any(name.startswith("test/") for name in cast(Tree, short["metrics"])):
        raise RecordError(f"{run} was tested; choices are made by validation alone, with test=false")
    overrides = list[Value](without_places(result.overrides or []))
    named: Tree = {"what": what, "overrides": overrides, "views": {str(count): by(run, count) for count in VIEWS}}
    if result.teachers:
        named["teachers"] = [teacher.weights for teacher in result.teachers]
    return named | short


def by(run: Path, views: int) -> float:
    """The accuracy of a run's last epoch on the images it kept back, by so many views of each."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = ("--split", "val", "--checkpoint", "last", "--views", str(views), "--json", "--out", folder)
        return number(json.loads(output_of("digits.evaluate", str(run), *chosen)), "accuracy")


def add(name: str, what: str, run: Path, folder: Path = RECORDS) -> Record:
    """Take a run in; one of the same name gives way."""
    record = read_record(f"{name}{SUFFIX}", folder)
    new = line(what, run)
    record.runs = [*(run for run in record.runs if run["what"] != what), new]
    record.write()
    return record


def table(record: Record) -> str:
    """The runs of one recipe."""
    head = f"| | overrides | commit | kept back | epochs | {' | '.join(f'{count} views' for count in VIEWS)} |"
    rows = [head.replace("1 views", "1 view"), f"|{'---|' * (5 + len(VIEWS))}"]
    for run in record.runs:
        typed = " ".join(f"`{override}`" for override in cast(list[str], run["overrides"]))
        by_views = cast(Tree, run["views"])
        accuracies = " | ".join(
            f"{100 * number(by_views, str(count)):.2f}" if str(count) in by_views else UNKNOWN for count in VIEWS
        )
        commit, kept = str(cast(Tree, run["commit"])["id"] or "unknown")[:7], f"{number(run, 'data', 'val'):,.0f}"
        rows.append(f"| {run['what']} | {typed} | {commit} | {kept} | {number(run, 'epochs'):.0f} | {accuracies} |")
    where = "; ".join(dict.fromkeys(text.rpartition("; commit")[0] for text in described(record.runs)))
    return f"### {record.path.stem.removesuffix(SUFFIX)}\n\n{where}.\n\n" + "\n".join(rows)


def section(folder: Path = RECORDS) -> str:
    """The section of RESULTS.md, from the records."""
    names = sorted(path.stem for path in folder.glob(f"*{SUFFIX}.json"))
    return "\n\n".join([HEAD, *(table(read_record(name, folder)) for name in names)])


def main(argv: Sequence[str] | None = None, folder: Path = RECORDS, names: Collection[str] = BY_NAME) -> None:
    """The command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.accuracy.choices", description=__doc__, formatter_class=raw)
    parser.add_argument("tried", metavar="NAME WHAT RUN", nargs="*", help="a recipe, what was tried, its run")
    given = parser.parse_args(argv)
    if len(given.tried) not in (0, 3):
        parser.error("name a recipe, what was tried, and its run: mlp_best '48 epochs' RUN")
    name, what, run = given.tried or ("", "", "")
    if name and name not in names:
        parser.error(f"there is no recipe {name}; there are {', '.join(names)}")
    with told(interrupted="nothing was recorded"):
        if given.tried:
            add(name, what, Path(run), folder)
        text = section(folder)
        print(text)
        replace_section("Choices", "python -m benchmarks.accuracy.choices", text)


if __name__ == "__main__":
    main()
