"""What was tried before a recipe's settings were chosen.

    python -m benchmarks.accuracy.choices mlp_best "48 epochs" RUN     takes a run in that kept validation images back

A run is judged by its last epoch, as the recipe is, on the images it kept back, and by 1, 5 and 9 views of each. The
test set is not looked at. Records: `benchmarks/records/NAME-choice.json`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast, get_args

from benchmarks.commands import make_parser, told
from benchmarks.recipes import BY_NAME
from benchmarks.records import RECORDS, Record, RecordError, compact, finished, number, read_record, sources
from benchmarks.results import table as markdown
from benchmarks.runs import output_of
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
    rows = []
    for run in record.runs:
        typed = " ".join(f"`{override}`" for override in cast(list[str], run["overrides"]))
        seen = cast(Tree, run["views"])
        accuracies = [f"{100 * number(seen, str(n)):.2f}" if str(n) in seen else UNKNOWN for n in VIEWS]
        commit, kept = str(cast(Tree, run["commit"])["id"] or "unknown")[:7], f"{number(run, 'data', 'val'):,.0f}"
        rows.append([str(run["what"]), typed, commit, kept, f"{number(run, 'epochs'):.0f}", *accuracies])
    columns = ["", "overrides", "commit", "kept back", "epochs", "1 view", *(f"{n} views" for n in VIEWS[1:])]
    days = sources(record.runs)
    machines, dated = [machine for machine, _ in days], [f"{day}, {source}" for (_, source), day in days.items()]
    where = "; ".join(dict.fromkeys(machines + dated))
    return f"### {record.path.stem.removesuffix(SUFFIX)}\n\n{where}.\n\n{markdown(columns, rows)}"


def section(folder: Path = RECORDS) -> str:
    """The section of RESULTS.md, from the records."""
    names = sorted(path.stem for path in folder.glob(f"*{SUFFIX}.json"))
    return "\n\n".join([HEAD, *(table(read_record(name, folder)) for name in names)])


def main(argv: Sequence[str] | None = None, folder: Path = RECORDS, names: Collection[str] = BY_NAME) -> None:
    """The command."""
    parser = make_parser("benchmarks.accuracy.choices", __doc__)
    parser.add_argument("name", metavar="NAME", choices=names, help=f"a recipe: {', '.join(names)}")
    parser.add_argument("what", metavar="WHAT", help="what was tried, in words")
    parser.add_argument("run", metavar="RUN", type=Path, help="its run")
    given = parser.parse_args(argv)
    with told():
        print(table(add(given.name, given.what, given.run, folder)))


if __name__ == "__main__":
    main()
