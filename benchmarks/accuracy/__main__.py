"""The accuracy of the recipes over seeds, from the runs' own records: trains them, or takes runs in.

    python -m benchmarks.accuracy run mlp cnn --jobs 2     trains the seeds that have no record, two at a time
    python -m benchmarks.accuracy collect mlp_best RUN …   takes runs in that were trained by hand, as with
                                                           python -m digits.train -m experiment=mlp_best seed=0,1,2,3,4

What is trained under which name: `benchmarks/recipes.py`. What was: `benchmarks/records/`, a file a recipe. Both take
--anew, to begin a record again after its recipe or the source has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import add_jobs, make_parser, told
from benchmarks.recipes import BY_NAME, Recipe, composed
from benchmarks.records import RECORDS, Record, RecordError, check_is_of, collect, described, read_record
from benchmarks.runs import Job, number_format, place, side_by_side


def train_missing(recipe: Recipe, jobs: int, *, anew: bool, folder: Path = RECORDS) -> None:
    """Train the seeds that have no record; each is recorded as it is done.

    Raises RecordError, before anything is trained, where the others are of another configuration, or of a number format
    that this machine would not choose.
    """
    config, record = composed(recipe.overrides), read_record(recipe.name, folder)
    if record.runs and not anew:
        check_is_of(record, config)
    have = [] if anew else record.seeds
    runs = place(recipe.name, config)
    missing = [seed for seed in range(recipe.seeds) if seed not in have]
    if missing and have:
        check_format(record, number_format(recipe.overrides))
    print(f"{recipe.name}: {len(missing)} of {recipe.seeds} seeds to train, in {runs}", flush=True)
    for _, run in side_by_side([Job(recipe.overrides, seed, runs / f"seed{seed}") for seed in missing], jobs):
        collect(recipe, [run], folder, anew=anew)
        anew = False


def check_format(record: Record, precision: str) -> None:
    """Raise RecordError where a record is of another number format than this machine trains its recipe in."""
    recorded = record.runs[0].get("precision", precision)
    if recorded != precision:
        raise RecordError(f"{record.path.name} is of {recorded}, and this machine trains in {precision}; train the "
                          "missing seeds on a machine of its kind, or all here with --anew")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = make_parser("benchmarks.accuracy", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
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
        else:
            record = collect(BY_NAME[given.name], given.runs, anew=given.anew)
            print(f"{record.path.name}: seeds {', '.join(map(str, record.seeds))}", *described(record.runs), sep="\n")


if __name__ == "__main__":
    main()
