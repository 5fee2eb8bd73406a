"""What each part of a recipe is worth, on the validation split.

    python -m benchmarks.accuracy.ablations run mlp_best --jobs 2    trains what has no record, two at a time

Each part is taken out or changed alone, at a length that can be afforded, with 5,000 images kept for validation. The
test set is not looked at. Records: `benchmarks/records/ablations-NAME.json`, a line for each run; the same command goes
on where it was cut off.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import add_jobs, make_parser, told
from benchmarks.recipes import RecipeError, changed, composed, digest, without_places
from benchmarks.records import (
    RECORDS,
    Record,
    RecordError,
    check_is_of,
    compact,
    described,
    number,
    read_record,
    threads,
)
from benchmarks.results import table as markdown
from benchmarks.runs import Job, place, side_by_side
from benchmarks.seeds import Sample, difference
from digits.config.types import Tree
from digits.runs.read import read_result
from digits.runs.schema import RunRecord

ALWAYS = ("data.val_size=5000", "test=false", "callbacks=none", "checkpoints=best")
"""Of every run here: choices are made on the validation split, never on the test set; nothing stops a run early."""

WHOLE = "the whole recipe"

HEAD = """Validation accuracy at the last epoch, in %, mean ± sample sd over seeds 0, 1, …; one part is changed at a
time. The test set is not looked at. Differences are in points, ± their standard error (Welch). Where `data.limit` and
`trainer.max_epochs` stand among a table's overrides, it is of a third of the images and of fewer epochs than the recipe
has: what pays there need not pay at full length, nor the other way round. Seconds of the training part, medians, only
where nothing else ran. Records: `benchmarks/records/`."""


@dataclass(frozen=True)
class Ablation:
    """A recipe, how long its ablations train, and its parts: what is changed, and by which overrides."""

    name: str
    recipe: tuple[str, ...]
    length: tuple[str, ...]
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    seeds: int = 3
    timed: bool = False  # trained one at a time on a quiet machine, so that seconds can be told

    @property
    def record(self) -> str:
        """The name of its record."""
        return f"ablations-{self.name}"

    def overrides(self, change: tuple[str, ...]) -> tuple[str, ...]:
        """All that is given to the command but the seed; what is changed comes last, so it wins."""
        return (*self.recipe, *ALWAYS, *self.length, *change)


NO_EMA = ("no averaging of the weights", ("trainer.ema_decay=null",))
NO_SMOOTHING = ("no label smoothing", ("loss.label_smoothing=0",))
CONSTANT = ("constant learning rate", ("scheduler=constant",))
NO_AUGMENTATION = ("no augmentation", ("~augment.warp",))
TWICE = (
    "twice the augmentation",
    tuple(f"augment.warp.{of}" for of in ("degrees=10", "translate=2", "scale=0.14", "shear=10", "elastic=0.8")),
)
NO_ELASTIC = ("no elastic distortion", ("augment.warp.elastic=0",))

THIRD = "data.limit=20000"
"""A third of the images: what can be afforded on two cores."""

ABLATIONS = (
    Ablation(
        "cnn",
        ("model=cnn",),
        (),
        (
            *((f"{epochs} epochs", (f"trainer.max_epochs={epochs}",)) for epochs in (3, 5, 7)),
            ("no augmentation", ("~augment.affine",)),
            CONSTANT,
            ("batches of 256", ("data.batch_size=256",)),
        ),
        timed=True,
    ),
    Ablation(
        "mlp_best",
        ("experiment=mlp_best",),
        (THIRD, "trainer.max_epochs=12"),
        (
            *(NO_AUGMENTATION, NO_ELASTIC, NO_EMA, NO_SMOOTHING),
            ("half the width", ("model.hidden=[1024,1024]",)),
            ("dropout of 0.2", ("model.dropout=0.2",)),
            ("batches of 512", ("data.batch_size=512",)),
        ),
    ),
    Ablation(
        "cnn_tiny",
        ("experiment=cnn_tiny",),
        (THIRD, "trainer.max_epochs=20"),
        (NO_AUGMENTATION, NO_ELASTIC, TWICE, NO_EMA, CONSTANT),
    ),
    Ablation(
        "cnn_best",
        ("experiment=cnn_best",),
        (THIRD, "trainer.max_epochs=6"),
        (NO_AUGMENTATION, NO_ELASTIC, NO_EMA, NO_SMOOTHING, ("half the width", ("model.stages=[[32,32,32],[64,64]]",))),
    ),
    Ablation(
        "speedrun",
        ("experiment=speedrun",),
        (),
        (
            ("batches of 384", ("data.batch_size=384", "optimizer.lr=0.012")),
            ("Adam's own betas", ("optimizer.betas=[0.9,0.999]",)),
            NO_SMOOTHING,
            ("dropout of 0.3", ("model.dropout=0.3",)),
            ("augmentation", ("augment=affine",)),
            ("twice the channels at 14x14", ("model.stages=[[32],[64]]",)),
        ),
        seeds=10,
    ),
)
BY_RECIPE = {ablation.name: ablation for ablation in ABLATIONS}


def configurations(ablation: Ablation) -> dict[tuple[str, ...], tuple[str, Tree]]:
    """By their overrides, what is changed and the whole configuration; first the one with nothing changed.

    Raises RecipeError where one can't be trained, or is the same as another, so that nothing was changed by it.
    """
    found: dict[tuple[str, ...], tuple[str, Tree]] = {}
    known: dict[str, str] = {}
    for what, change in ((WHOLE, ()), *ablation.parts):
        config = composed(ablation.overrides(change))
        if (same := known.setdefault(digest(config), what)) != what:
            raise RecipeError(f"{ablation.name}, {what}: {' '.join(change)} makes it the same as {same}; name "
                              "overrides that change it, or leave it out")  # fmt: skip
        found[ablation.overrides(change)] = what, config
    return found


def train_missing(ablation: Ablation, jobs: int, *, anew: bool = False, folder: Path = RECORDS) -> Record:
    """Train every part and seed that has no record; each is recorded as it is done.

    Raises RecordError where the recipe has changed since the others were recorded, or where several at a time would
    spoil the seconds that are told.
    """
    if ablation.timed and jobs > 1:
        raise RecordError(f"{ablation.name}'s seconds are told, so its parts are trained one at a time: --jobs 1")
    wanted = configurations(ablation)
    _, whole = wanted[ablation.overrides(())]
    record = read_record(ablation.record, folder)
    if anew or not record.runs:
        record = Record(record.path, without_places(whole))
    check_is_of(record, whole)
    have = [(run["overrides"], run["seed"]) for run in record.runs]
    missing = [
        Job(overrides, seed, place(ablation.record, config) / f"seed{seed}")
        for seed in range(ablation.seeds)  # a whole table with one seed first
        for overrides, (_, config) in wanted.items()
        if ([*overrides], seed) not in have
    ]
    print(f"{ablation.name}: {len(missing)} of {len(wanted) * ablation.seeds} to train", flush=True)
    for job, run in side_by_side(missing, jobs):
        record.runs.append(line(read_result(run), wanted[job.overrides][0], job.overrides))
        record.write()
    return record


def line(result: RunRecord, what: str, overrides: tuple[str, ...]) -> Tree:
    """A run's line: what was changed, and its figures of the last epoch, which none is chosen by.

    Raises RecordError where the run has looked at the test set.
    """
    short, last = compact(result), result.history[-1]
    if any(name.startswith("test/") for name in result.metrics):
        raise RecordError(f"{what}: the run was tested; ablations are judged by validation alone, with test=false")
    short["metrics"] = {name: last[name] for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy")}
    del short["history"]
    named: Tree = {"what": what, "overrides": [*overrides]}
    return named | short


def table(ablation: Ablation, record: Record) -> str:
    """The parts that have runs, each against the whole; and what the recipe has changed since."""
    rows: list[list[str]] = []
    counted: list[Tree] = []
    whole: Sample | None = None
    for what, change in ((WHOLE, ()), *ablation.parts):
        runs = [run for run in record.runs if run["overrides"] == [*ablation.overrides(change)]]
        if not runs:
            continue
        counted += runs
        sample = Record(record.path, runs=runs).sample("metrics", "val/accuracy")
        seeds = str(sample.n) if sample.n >= ablation.seeds else f"{sample.n} of {ablation.seeds}"
        seconds = [f"{statistics.median(number(run, 'seconds', 'fit') for run in runs):,.0f}"] * ablation.timed
        typed = " ".join(f"`{override}`" for override in change)
        if what == WHOLE:
            whole = sample
        against = "" if what == WHOLE or whole is None else difference(sample, whole)
        rows.append([what, typed, seeds, *seconds, sample.percent(), against])
    if not counted:
        return f"### {ablation.name}\n\nNone of the list's runs is recorded."
    where = f"`{' '.join(ablation.overrides(()))}`{threads(counted)}; {'; '.join(described(counted))}."
    if keys := changed(record.config, composed(ablation.overrides(()))):
        where += f" The recipe has another {', '.join(keys)} since."
    columns = ["", "overrides", "seeds", *["seconds"] * ablation.timed, "validation, mean ± sd", "against the whole"]
    return f"### {ablation.name}\n\n{where}\n\n{markdown(columns, rows)}"


def section() -> str:
    """The section of RESULTS.md, from the records."""
    records = ((ablation, read_record(ablation.record)) for ablation in ABLATIONS)
    return "\n\n".join([HEAD, *(table(ablation, record) for ablation, record in records if record.runs)])


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = make_parser("benchmarks.accuracy.ablations", __doc__)
    run = parser.add_subparsers(required=True).add_parser("run", help="train what has no record")
    run.add_argument("names", metavar="NAME", nargs="+", choices=BY_RECIPE)
    add_jobs(run)
    run.add_argument("--anew", action="store_true", help="leave what is recorded out, and train all")
    given = parser.parse_args(argv)
    with told(interrupted="the same command goes on"):
        for name in given.names:
            train_missing(BY_RECIPE[name], given.jobs, anew=given.anew)


if __name__ == "__main__":
    main()
