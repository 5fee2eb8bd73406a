"""What a search gains by two workers and by pruning.

    python -m benchmarks.speed.search workers            needs a quiet machine, about fifteen minutes on two cores
    python -m benchmarks.speed.search pruning --seeds 3  may share the machine: it counts epochs
    python -m benchmarks.speed.search winners --seeds 5  may share the machine: it compares accuracies

(a) Sixteen trials of `search_space=cnn` by `digits.tune` with `tune.workers=2`, then the same sixteen, with the same
overrides, one after the other by `digits.train`, each in a fresh process that has both cores. (b) Searches of the
same space with and without the pruner that is the default, by the same seeds: epochs trained, and the best validation
accuracy found. (c) What the searches of the shipped spaces found, `experiment=cnn_tuned` and so on, against the
defaults set by hand: validation accuracy of both by the same seeds, with the images and epochs of the search.
Record: `benchmarks/records/search.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from benchmarks.commands import make_parser, positive, told
from benchmarks.records import RECORDS, read_tree
from benchmarks.results import ROOT, by_machine, machine, table
from benchmarks.runs import TrainingError
from benchmarks.seeds import Sample, difference
from digits.config.types import Tree
from digits.runs.atomic import write_json
from digits.runs.read import read_result
from digits.tuning.results import Outcome, outcome_of
from digits.tuning.storage import counted, read_search

RECORD = RECORDS / "search.json"
SPACE = ("model=cnn", "search_space=cnn")
WORKERS, TRIALS, WANTED_RATIO = 2, 16, 0.65
AT_LEAST = 10.0
"""Seconds of training that each of the sixteen should have."""

WANTED_SAVING = 0.4
WINNERS = ("logistic", "mlp", "cnn")

AS_A_TRIAL = ("callbacks=trial", "checkpoints=best", "test=false")
"""What a trial has otherwise than a run: the fresh processes do no more than it does."""


def command(*arguments: str, folder: Path, threads: int | None = None) -> float:
    """Run a command of the project in a folder; seconds from its start to its end. Raises TrainingError."""
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    begun = time.monotonic()
    with (folder / "screen.log").open("a", encoding="utf-8") as screen:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=folder, stdout=screen, stderr=screen, check=False,
            env=os.environ | limits | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    if done.returncode != 0:
        raise TrainingError(f"python -m {' '.join(arguments)} ended with {done.returncode}: see {screen.name}")
    return time.monotonic() - begun


def measure_workers(folder: Path, root: Path, limit: int, epochs: int) -> Tree:
    """(a): seconds of the search, and of its trials one after the other."""
    shared = (*SPACE[:1], f"data.root={root}", f"data.limit={limit}", f"trainer.max_epochs={epochs}")
    search = ("sampler=random", "pruner=none", "tune.test=false", f"tune.trials={TRIALS}", f"tune.workers={WORKERS}")
    together = command("digits.tune", *shared, *SPACE[1:], *search, folder=folder)
    directory = folder / "outputs" / "tune" / "cnn"
    trials = counted(read_search(directory).get_trials())
    side_by_side = [_fit_seconds(directory / str(trial.user_attrs["directory"])) for trial in trials]
    alone, one_by_one = 0.0, []
    for trial in trials:
        run = folder / "alone" / f"{trial.number}"
        own = trial.user_attrs["overrides"]
        alone += command("digits.train", *shared, *AS_A_TRIAL, *own, f"hydra.run.dir={run}", folder=folder)
        one_by_one.append(_fit_seconds(run))
        beside = side_by_side[len(one_by_one) - 1]
        print(f"trial {trial.number}: {beside:.1f} s beside another, {one_by_one[-1]:.1f} s alone")
    return {
        "machine": machine(),
        "images": limit,
        "epochs": epochs,
        "together": round(together, 1),
        "alone": round(alone, 1),
        "fit_together": [round(seconds, 2) for seconds in side_by_side],
        "fit_alone": [round(seconds, 2) for seconds in one_by_one],
    }


def _fit_seconds(run: Path) -> float:
    return float(read_result(run).seconds["fit"])


def measure_pruning(folder: Path, root: Path, seeds: int, limit: int, trials: int) -> Tree:
    """(b): by seed, the epochs and the best value of a search without pruning, and of one with it."""
    found: list[Tree] = []
    for seed in range(seeds):
        row: Tree = {"seed": seed}
        for name, pruner in (("whole", "none"), ("pruned", "default")):
            arguments = (f"tune.name={name}-{seed}", f"tune.seed={seed}", f"tune.trials={trials}", "tune.test=false")
            chosen = () if pruner == "default" else (f"pruner={pruner}",)
            shared = (f"data.root={root}", f"data.limit={limit}", f"tune.workers={WORKERS}")
            command("digits.tune", *SPACE, *shared, *arguments, *chosen, folder=folder)
            outcome = outcome_of(read_search(folder / "outputs" / "tune" / f"{name}-{seed}"))
            row[name] = {"epochs": outcome.epochs[0], "best": _best(outcome), "counts": dict(outcome.counts)}
        print(json.dumps(row))
        found.append(row)
    return {"machine": machine(), "images": limit, "trials": trials, "searches": list(found)}


def _best(outcome: Outcome) -> float:
    best = outcome.best()
    assert best is not None, "no trial came to its end"
    return best.values[0]


def measure_winners(folder: Path, root: Path, seeds: int, limit: int, models: Sequence[str] = WINNERS) -> Tree:
    """(c): by model and seed, the validation accuracy of the defaults and of what the search of its space found."""
    jobs = [
        (model, name, seed, chosen)
        for model in models
        for name, chosen in (("default", f"model={model}"), ("tuned", f"experiment={model}_tuned"))
        for seed in range(seeds)
    ]

    def accuracy(model: str, name: str, seed: int, chosen: str) -> float:
        run = folder / f"{model}-{name}-{seed}"
        shared = (f"data.root={root}", f"data.limit={limit}", f"seed={seed}", f"hydra.run.dir={run}")
        command("digits.train", chosen, *AS_A_TRIAL, *shared, folder=folder, threads=1)
        return read_result(run).metrics["val/accuracy"]

    with ThreadPoolExecutor(WORKERS) as pool:
        values = list(pool.map(lambda job: accuracy(*job), jobs))
    found: Tree = {}
    for (model, name, *_), value in zip(jobs, values, strict=True):
        cast(list[float], cast(Tree, found.setdefault(model, {})).setdefault(name, [])).append(value)
    measured_on = machine()
    for each in found.values():
        cast(Tree, each)["machine"] = measured_on
    return {"images": limit, "models": found}


def _add_winners(record: Tree, measured: Tree) -> None:
    """Put what was measured beside the other models, if those were measured with as many images."""
    former = record.get("winners")
    if isinstance(former, dict) and former["images"] == measured["images"]:
        measured = measured | {"models": cast(Tree, former["models"]) | cast(Tree, measured["models"])}
    record["winners"] = measured


def read() -> Tree:
    """What was recorded; raises RecordError where nothing was."""
    return read_tree(RECORD, "python -m benchmarks.speed.search workers")


def section() -> str:
    """The section of RESULTS.md, from the record."""
    record = read()
    return "\n\n".join(describe(cast(Tree, record[name])) for name, describe in PARTS.items() if name in record)


def _workers(found: Tree) -> str:
    together, alone = cast(float, found["together"]), cast(float, found["alone"])
    shortest = [min(cast(list[float], found[name])) for name in ("fit_together", "fit_alone")]
    ten = f"training ≥ {AT_LEAST:.0f}"
    rows = [
        [f"`digits.tune` with `tune.workers={WORKERS}`, one thread each", f"{together:.0f}", f"{shortest[0]:.1f}", ten],
        ["the same by `digits.train`, one after the other, both cores", f"{alone:.0f}", f"{shortest[1]:.1f}", ten],
        ["ratio", f"**{together / alone:.2f}**", "", f"≤ {WANTED_RATIO}"],
    ]
    head = ["", "whole, s", "shortest training, s", "wanted"]
    what = f"(a) {TRIALS} trials of `search_space=cnn`, {found['images']:,} images, {found['epochs']} epochs:"
    return f"{what}\n\n{table(head, rows)}\n\n{found['machine']}"


def _pruning(found: Tree) -> str:
    searches = cast(list[dict[str, dict[str, float]]], found["searches"])
    rows = []
    for search in searches:
        whole, pruned = search["whole"], search["pruned"]
        saved = 1 - pruned["epochs"] / whole["epochs"]
        rows.append([str(search["seed"]), f"{whole['epochs']:.0f}", f"{pruned['epochs']:.0f}", f"{100 * saved:.0f} %",
                     f"{100 * whole['best']:.2f}", f"{100 * pruned['best']:.2f}"])  # fmt: skip
    all_of = [sum(search[name]["epochs"] for search in searches) for name in ("whole", "pruned")]
    gained = Sample(tuple(search["pruned"]["best"] - search["whole"]["best"] for search in searches))
    head = ["`tune.seed`", "epochs without", "with pruning", "saved", "best without, %", "best with, %"]
    what = (
        f"(b) {found['trials']} trials of `search_space=cnn`, {found['images']:,} images, with `pruner=none` and with "
        "the default, by the same seeds; the best is of the 5,000 validation images:"
    )
    share = 1 - all_of[1] / all_of[0]
    total = (
        f"Saved in all: **{100 * share:.0f} %** of the epochs (wanted ≥ {100 * WANTED_SAVING:.0f} %); pair by pair, "
        f"the best with pruning differs by {gained.percent()} points (mean ± sd)."
    )
    return f"{what}\n\n{table(head, rows)}\n\n{total}\n\n{found['machine']}"


def _winners(found: Tree) -> str:
    rows = []
    models = cast(dict[str, Tree], found["models"])
    for model, values in models.items():
        default, tuned = (Sample(tuple(cast(list[float], values[name]))) for name in ("default", "tuned"))
        rows.append([f"`model={model}`", default.percent(), f"`experiment={model}_tuned`", tuned.percent(),
                     difference(tuned, default)])  # fmt: skip
    head = ["by hand", "validation, %", "by search", "validation, %", "difference"]
    what = f"(c) The defaults and what the searches found, {found['images']:,} images, 10 epochs, the same seeds:"
    where = by_machine((model, str(values["machine"])) for model, values in models.items())
    return f"{what}\n\n{table(head, rows)}\n\n{where}"


PARTS = {"workers": _workers, "pruning": _pruning, "winners": _winners}


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = make_parser("benchmarks.speed.search", __doc__)
    parser.add_argument("--root", metavar="DIR", type=Path, default=Path(os.environ.get("DIGITS_DATA", "data")))
    parts = parser.add_subparsers(dest="part", required=True)
    workers = parts.add_parser("workers", help="two workers against one run after the other")
    workers.add_argument("--limit", type=positive, default=10_000, help="training images (default: 10,000)")
    workers.add_argument("--epochs", type=positive, default=7, help="epochs of each trial (default: 7)")
    pruning = parts.add_parser("pruning", help="epochs that pruning saves")
    pruning.add_argument("--limit", type=positive, default=5_000, help="training images (default: 5,000)")
    pruning.add_argument("--trials", type=positive, default=20, help="trials of a search (default: 20)")
    pruning.add_argument("--seeds", type=positive, default=3, help="searches of each kind (default: 3)")
    pruning.add_argument("--folder", type=Path, help="keep the searches there, and go on with those that are there")
    winners = parts.add_parser("winners", help="what the searches found, against the defaults")
    winners.add_argument("--limit", type=positive, default=20_000, help="training images (default: 20,000)")
    winners.add_argument("--seeds", type=positive, default=5, help="runs of each (default: 5)")
    winners.add_argument("--models", nargs="+", choices=WINNERS, default=WINNERS, help="which (default: all)")
    given = parser.parse_args(argv)
    with told(), tempfile.TemporaryDirectory() as name:
        record = read() if RECORD.exists() else {}
        folder, root = Path(name), given.root.resolve()
        if given.part == "workers":
            record["workers"] = measure_workers(folder, root, given.limit, given.epochs)
        elif given.part == "pruning":
            kept = folder if given.folder is None else given.folder.resolve()
            kept.mkdir(parents=True, exist_ok=True)
            record["pruning"] = measure_pruning(kept, root, given.seeds, given.limit, given.trials)
        else:
            _add_winners(record, measure_winners(folder, root, given.seeds, given.limit, given.models))
        write_json(RECORD, record)
        print(section())


if __name__ == "__main__":
    main()
