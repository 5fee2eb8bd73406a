"""The fast recipes once more, with seeds that no record has: does their accuracy still hold?

    python -m benchmarks.accuracy.recheck                        logistic, mlp, cnn and speedrun, 3 seeds each
    python -m benchmarks.accuracy.recheck mlp --seeds 5 --jobs 2

Fails, with exit code 1, where the new mean is further than 3 sd sqrt(1/n + 1/k) from the recorded one, of n seeds with
that sd; also where the record tells no spread. A machine without bfloat16 is compared with the records of float32.
`speedrun` is checked by its own script, which also takes its speed as a ratio to the yardstick; the speed of the others
is not checked. Leaves nothing behind.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from benchmarks.commands import add_jobs, make_parser, positive, told
from benchmarks.recipes import BY_NAME, Recipe, composed
from benchmarks.records import RECORDS, Record, RecordError, check_is_of, compact, number, read_record
from benchmarks.runs import Job, side_by_side
from benchmarks.seeds import Sample, bound
from digits.runs.read import read_result
from digits.runs.table import Table

FAST = ("logistic", "mlp", "cnn")
FIRST_SEED = 1000
SPEEDRUN = "speedrun"


@dataclass(frozen=True)
class Verdict:
    """Whether the new seeds' mean is where the record says, or why that can't be told."""

    name: str
    recorded: Sample
    again: Sample
    within: float | None = None  # the bound, a fraction
    problem: str = ""

    @property
    def holds(self) -> bool:
        """Whether the recorded accuracy is confirmed; what can't be told doesn't hold."""
        return not self.problem

    def row(self) -> list[str]:
        """Its line of the table; accuracies in per cent, differences in points."""
        within = "" if self.within is None else f"{100 * self.within:.3f}"
        off = f"{100 * (self.again.mean - self.recorded.mean):+.3f}"
        samples = (self.recorded, self.again)
        return [self.name, *(f"{s.percent()} ({s.n})" for s in samples), off, within, self.problem or "holds"]


def judge(name: str, recorded: Sample, again: Sample) -> Verdict:
    """Compare two means with what chance allows."""
    try:
        within = bound(recorded, again.n)
    except ValueError as error:
        return Verdict(name, recorded, again, problem=f"FAILS: {error}")
    off = abs(again.mean - recorded.mean)
    return Verdict(name, recorded, again, within, "" if off <= within else "FAILS: beyond the bound")


def new_seeds(record: Record, k: int) -> list[int]:
    """The first k seeds from 1000 on that the record has not."""
    return list(islice((seed for seed in count(FIRST_SEED) if seed not in record.seeds), k))


def run_again(recipe: Recipe, k: int, jobs: int, folder: Path = RECORDS) -> Verdict:
    """Train a recipe with k new seeds and judge it by the record of the number format that this machine trains in.

    Raises RecordError where there is none, or one is of another configuration.
    """
    record = read_record(recipe.name, folder)
    if not record.runs:
        raise RecordError(f"{recipe.name} has no record; make one: python -m benchmarks.accuracy run {recipe.name}")
    check_is_of(record, composed(recipe.overrides))
    with tempfile.TemporaryDirectory() as temporary:
        trainings = [Job(recipe.overrides, seed, Path(temporary, str(seed))) for seed in new_seeds(record, k)]
        runs = [compact(read_result(run)) for _, run in side_by_side(trainings, jobs)]
    again = Sample(tuple(number(run, "metrics", "test/accuracy") for run in runs))
    record = in_format(recipe, str(runs[0]["precision"]), folder)
    return judge(record.path.stem, record.sample("metrics", "test/accuracy"), again)


def in_format(recipe: Recipe, precision: str, folder: Path) -> Record:
    """A recipe's record in a number format; that of float32 may have a name of its own.

    Raises RecordError where there is none, or it is of another configuration.
    """
    for name, own in ((recipe.name, ()), (f"{recipe.name}_fp32", ("trainer.precision=32-true",))):
        record = read_record(name, folder)
        if record.runs and record.runs[0]["precision"] == precision:
            check_is_of(record, composed((*recipe.overrides, *own)))
            return record
    raise RecordError(f"{recipe.name} has no record in {precision}, this machine's number format, to compare with")


def check_speedrun(k: int) -> bool:
    """Let the speedrun check itself; whether it held."""
    command = [sys.executable, "-m", "benchmarks.speed.speedrun", "--seeds", str(k), "--check"]
    return subprocess.run(command, check=False).returncode == 0


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = make_parser("benchmarks.accuracy.recheck", __doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"recipes (default: {' '.join(FAST)} {SPEEDRUN})")
    parser.add_argument("--seeds", metavar="K", type=positive, default=3, help="new seeds a recipe")
    add_jobs(parser)
    given = parser.parse_args(argv)
    names = given.names or [*FAST, SPEEDRUN]
    if unknown := [name for name in names if name not in {*BY_NAME, SPEEDRUN}]:
        parser.error(f"there is no recipe {', '.join(unknown)}; there are {', '.join([*BY_NAME, SPEEDRUN])}")
    with told(interrupted="nothing was kept"):
        verdicts = [run_again(BY_NAME[name], given.seeds, given.jobs) for name in names if name != SPEEDRUN]
    headers = ["recipe", "recorded, % (n)", "again, % (k)", "off by", "bound", "verdict"]
    print(Table(headers, [verdict.row() for verdict in verdicts], "lrrrrl").text(), flush=True)
    speed_holds = SPEEDRUN not in names or check_speedrun(given.seeds)
    sys.exit(0 if speed_holds and all(verdict.holds for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
