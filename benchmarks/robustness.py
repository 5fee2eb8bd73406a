"""Accuracy on pictures that the nets were not trained for; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.robustness cnn=RUN,RUN,... mlp=RUN --pictures DIR
    python -m benchmarks.robustness cnn=RUN --split val          to choose by; prints only

A column for each NAME, over the nets of its runs: on the clean split, on the split with each of MNIST-C's fifteen
corruptions (`digits.data.corruptions`), and, with --pictures, on the digits of DIR/semeion.npz and
DIR/optdigits32.npz, brought to MNIST's form. A NAME that is given again adds its runs to those before. Every net gets
the same pictures: the corruptions are drawn with seed 0. MNIST is looked for in the folder DIGITS_DATA, else in data/.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.as_mnist import as_mnist
from benchmarks.results import machine, replace_section
from benchmarks.runs import named_runs
from digits.config.tree import Tree
from digits.data import MNISTDataModule, Normalise, Split
from digits.data.corruptions import KINDS, corrupt
from digits.data.datasets import DataError
from digits.training.evaluation import read_data, rebuild
from digits.training.members import Member
from digits.training.predictions import predict
from digits.training.run import RunError, find_run, read_model, read_result, status_of

SEED = 0
PICTURES = ("semeion", "optdigits32")
CLEAN, MEAN_ERROR = "clean", "mean corruption error"
Accuracies = dict[str, list[float]]
"""By the name of a set of pictures: the percentage right of each net, in the order of the runs."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A trained net and what is recorded of it."""

    net: nn.Module
    normalise: Normalise
    data: Tree  # its record's section
    source: str  # seed and commit


def read_entry(name: str) -> Entry:
    """The net of a run that is done; raises RunError when there is none."""
    run = find_run(name)
    record, model = read_result(run), read_model(run)
    if status_of(record) != "done":
        raise RunError(f"{run} is {status_of(record)}; take runs that are done")
    config = cast(dict[str, Tree], record["config"])
    channels_last = config["trainer"].get("channels_last") is True
    takes = cast(dict[str, float], model["input"])
    commit = cast(Tree, record.get("commit") or {})
    source = f"seed {record.get('seed')} of {str(commit.get('id'))[:7]}{' with changes' if commit.get('dirty') else ''}"
    net = rebuild(Member(run, model, run, None, config["data"], config["data"], channels_last), ())
    return Entry(net, Normalise(takes["mean"], takes["std"]), config["data"], source)


def read_splits(entries: Sequence[Entry], split: str) -> tuple[MNISTDataModule, Split]:
    """The data that all nets share, and a split of it; raises RunError when they don't share it."""
    keys = ("name", "limit", *(("val_size", "split_seed") if split == "val" else ()))
    kinds = {tuple(str(entry.data.get(key)) for key in keys) for entry in entries}
    if len(kinds) > 1:
        raise RunError(f"the runs differ in data.{', data.'.join(keys)}: {sorted(kinds)}; compare those that agree")
    section = entries[0].data | {"root": os.environ.get("DIGITS_DATA", "data"), "mirrors": None}
    (data,) = read_data([section], ())
    try:
        return data, data.split(split)
    except ValueError as error:
        raise RunError(f"{error}, so the nets have seen every image that could be held out") from None


def picture_sets(clean: Split, pictures: Path | None) -> Iterator[tuple[str, Split]]:
    """The sets in the order of the table, each with its name."""
    images, labels = clean.pixels(), clean.truth()
    yield CLEAN, _whole(images, labels)
    for kind in KINDS:
        yield kind, _whole(corrupt(images, kind, SEED), labels)
    for name in PICTURES if pictures else ():
        assert pictures is not None
        with np.load(pictures / f"{name}.npz") as arrays:
            made = as_mnist(torch.from_numpy(arrays["images"]))
            yield name, _whole(made, torch.from_numpy(arrays["labels"].astype(np.int64)))


def _whole(images: Tensor, labels: Tensor) -> Split:
    return Split(images, labels, torch.arange(len(labels)))


def measure(entries: Sequence[Entry], sets: Iterator[tuple[str, Split]], batch_size: int) -> Accuracies:
    """The accuracy of every net on every set, in %, and each net's mean error over the corruptions that came."""
    found: Accuracies = {}
    for name, split in sets:
        found[name] = [
            100 * predict(entry.net, split, entry.normalise, batch_size).right.double().mean().item()
            for entry in entries
        ]
        if name == KINDS[-1]:
            each = zip(*(found[kind] for kind in KINDS), strict=True)
            found[MEAN_ERROR] = [100 - statistics.mean(accuracies) for accuracies in each]
        print(f"{name:21}", *(f"{accuracy:6.2f}" for accuracy in found[name]), file=sys.stderr, flush=True)
    return found


def table(found: Accuracies, recipes: dict[str, int]) -> str:
    """The accuracies as Markdown: mean ± sample sd over each recipe's nets, so many each, in the order of the runs."""
    rows = [f"| | {' | '.join(recipes)} |", f"|---{'|---' * len(recipes)}|"]
    for name, values in found.items():
        rest, cells = list(values), []
        for number in recipes.values():
            mine, rest = rest[:number], rest[number:]
            sd = f" ± {statistics.stdev(mine):.2f}" if number > 1 else ""
            cells.append(f"{statistics.mean(mine):.2f}{sd}")
        rows.append(f"| {name} | {' | '.join(f'**{cell}**' if name == MEAN_ERROR else cell for cell in cells)} |")
    return "\n".join(rows)


def check_pictures(folder: Path) -> None:
    """Raise RunError where a set of other people's digits isn't in a folder."""
    if absent := [f"{name}.npz" for name in PICTURES if not (folder / f"{name}.npz").is_file()]:
        raise RunError(f"{' and '.join(absent)} not found in {folder}; --pictures takes a folder that holds both sets")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and for the test split write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", metavar="NAME=RUN[,RUN...]", nargs="+", help="a column's name and its runs")
    parser.add_argument("--pictures", metavar="DIR", type=Path, help="folder with semeion.npz and optdigits32.npz")
    parser.add_argument("--split", choices=["test", "val"], default="test", help="what is corrupted (default: test)")
    given = parser.parse_args(arguments)
    try:
        recipes = named_runs(given.recipes)
        if given.pictures:
            check_pictures(given.pictures)
        entries = [read_entry(run) for runs in recipes.values() for run in runs]
        data, split = read_splits(entries, given.split)
        found = measure(entries, picture_sets(split, given.pictures), data.eval_batch_size)
    except (RunError, DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    numbers = {name: len(runs) for name, runs in recipes.items()}
    nets = iter(entries)
    sources = "\n".join(
        f"- {name}: {'; '.join(next(nets).source for _ in range(number))}" for name, number in numbers.items()
    )
    text = (
        f"Top-1 accuracy in % (the mean corruption error: 100 minus the mean over the fifteen kinds), mean ± sample sd "
        f"over the nets of a recipe. The first rows are {len(split):,} images of {data.name}'s {given.split} split, "
        f"clean and with MNIST-C's corruptions (arXiv 1906.02337) as `digits.data.corruptions` draws them with seed "
        f"{SEED}; the sets below the mean are other people's digits, brought to MNIST's form.\n\n"
        f"{table(found, numbers)}\n\nNets:\n\n{sources}\n\n{machine()}"
    )
    print(text)
    if given.split == "test":
        ending = " --pictures DIR" if given.pictures else ""
        replace_section("Robustness", f"python -m benchmarks.robustness NAME=RUN[,RUN...] ...{ending}", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
