"""What averaging this project's own nets brings on the test set.

    python -m benchmarks.accuracy.ensemble cnn_best=RUN,RUN mixed=RUN,RUN,RUN    evaluates and records
    python -m benchmarks.accuracy.ensemble nine=RUN,RUN --views 9                each net over nine shifts of a picture

Each ensemble is fixed before its test accuracy is looked at: all recorded seeds of one or more recipes, none left out,
and its views.
Record: `benchmarks/records/ensembles.json`, each member known by the SHA-256 of its weights.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from benchmarks.commands import make_parser, named_runs, told
from benchmarks.recipes import BY_NAME, FORMER
from benchmarks.records import RECORDS, RecordError, number, read_record, write_lines
from benchmarks.results import by_machine, machine
from benchmarks.results import table as markdown
from benchmarks.runs import output_of
from benchmarks.seeds import Sample
from digits.config.files import RECORD_LIMIT, read_json
from digits.config.schema import Views
from digits.config.types import Tree, Value

RECORD = RECORDS / "ensembles.json"
WANTED = 0.9983


def evaluated(runs: Sequence[str], views: int | None = None) -> Tree:
    """What `digits.evaluate` says of some runs on the official test set, together and one by one.

    Each by as many views as it was tested by, unless their number is given.

    Raises TrainingError with its reason where it refuses them.
    """
    with tempfile.TemporaryDirectory() as folder:
        by = () if views is None else ("--views", str(views))
        found: Tree = json.loads(output_of("digits.evaluate", *runs, *by, "--json", "--out", folder))
    return found


def recipes_of() -> dict[str, str]:
    """The recipe that each recorded run's weights are of, also of former settings."""
    known: dict[str, str] = {}
    for name in (*BY_NAME, *(former for former, _ in FORMER.values())):
        known |= {str(run["weights"]): name for run in read_record(name).runs if "weights" in run}
    return known


def entry(found: Tree, known: dict[str, str]) -> Tree:
    """An ensemble's line in the record.

    Raises RecordError where a member is of no record, or where a recipe's record has seeds that are left out.
    """
    members: list[Value] = []
    names: Counter[str] = Counter()
    for member in cast(list[Tree], found["members"]):
        weights = str(member["weights_sha256"])
        if weights not in known:
            raise RecordError(f"{member['run']} is in no record; collect it with benchmarks.accuracy first")
        names[known[weights]] += 1
        members.append({"recipe": known[weights], "weights": weights, "accuracy": member["accuracy"]})
    for name in names:
        of_recipe = {weights for weights, recipe in known.items() if recipe == name}
        if left_out := len(of_recipe - {str(cast(Tree, member)["weights"]) for member in members}):
            raise RecordError(f"{left_out} recorded runs of {name} are not named; take all, since none is chosen")
    if len({str(cast(Tree, member)["weights"]) for member in members}) < len(members):
        raise RecordError("two of the runs have the same weights; name each net once")
    kept: Tree = {key: found[key] for key in ("accuracy", "correct", "images", "loss", "calibration_error")}
    return kept | {"views": found["views"], "members": members, "machine": machine()}


def table(ensembles: dict[str, Tree], known: dict[str, str]) -> str:
    """Every ensemble against its members' mean; a recipe that was recorded anew since is told from what it is now."""
    rows = []
    for name, ensemble in ensembles.items():
        members = cast(list[Tree], ensemble["members"])
        of = Counter(known.get(str(m["weights"]), f"{m['recipe']} of a former record") for m in members)
        views = "" if ensemble["views"] == 1 else f", {ensemble['views'] or 'each by its own'} views"
        alone = Sample(tuple(number(member, "accuracy") for member in members))
        wrong = number(ensemble, "images") - number(ensemble, "correct")
        counts = ", ".join(f"{count} {recipe}" for recipe, count in of.items())
        together = f"**{number(ensemble, 'accuracy'):.2%}**"
        rows.append([name, f"{counts}{views}", alone.percent(), together, f"{wrong:.0f}"])
    return markdown(["ensemble", "members", "members' mean ± sd, %", "together, %", "wrong of 10,000"], rows)


def section() -> str:
    """The section of RESULTS.md."""
    ensembles = read(RECORD)
    machines = by_machine((name, str(ensemble["machine"])) for name, ensemble in ensembles.items())
    return (
        "The mean of the nets' probabilities on the official test set, all recorded seeds of the recipes; the standard "
        "error of an accuracy of 99.8 % on 10,000 images is 0.045 points. Wanted of the best: "
        f"≥ {100 * WANTED:.2f} %.\n\n{table(ensembles, recipes_of())}\n\nEvaluated on:\n\n{machines}"
    )


def read(path: Path) -> dict[str, Tree]:
    """The recorded ensembles by name, none where there is no record."""
    return cast(dict[str, Tree], read_json(path, RECORD_LIMIT, finite=False)) if path.exists() else {}


def main(argv: Sequence[str] | None = None, path: Path = RECORD) -> None:
    """The command."""
    parser = make_parser("benchmarks.accuracy.ensemble", __doc__)
    parser.add_argument("ensembles", metavar="NAME=RUN,RUN", nargs="+", help="an ensemble and the runs it is made of")
    parser.add_argument("--views", metavar="N", type=int, choices=get_args(Views), help="as digits.evaluate takes")
    given = parser.parse_args(argv)
    with told():
        known = recipes_of()
        named = named_runs(given.ensembles)
        ensembles = read(path) | {name: entry(evaluated(runs, given.views), known) for name, runs in named.items()}
        write_lines(path, {**ensembles})
        print(table(ensembles, known))


if __name__ == "__main__":
    main()
