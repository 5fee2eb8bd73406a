"""Accuracy on pictures that the nets were not trained for.

    python -m benchmarks.robustness cnn=RUN,RUN,... mlp=RUN --pictures DIR    measures and records
    python -m benchmarks.robustness cnn=RUN --split val                       to choose by; prints only

A column for each NAME, over the nets of its runs, no two of the same seed: on the clean split, on the split with each
of MNIST-C's fifteen corruptions (`digits.data.corruptions`), and, with --pictures, on the digits of DIR/semeion.npz and
DIR/optdigits32.npz, brought to MNIST's form. Every net gets the same pictures: the corruptions are drawn with seed 0.
MNIST is looked for in the folder DIGITS_DATA, else in data/.

The record, `benchmarks/records/robustness.json`, has a line for each net. Nets are added to those of their NAME; one
that is measured again replaces its line; --anew leaves out what was recorded of the names that are given.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.commands import make_parser, named_runs, told
from benchmarks.results import machine
from benchmarks.robustness.as_mnist import as_mnist
from benchmarks.robustness.nets import Net, read_net, read_splits
from benchmarks.robustness.record import (
    CLEAN,
    PICTURES,
    RECORD,
    Accuracy,
    Measured,
    as_text,
    merged,
    read,
    write,
)
from digits.config.types import Tree
from digits.data import Split
from digits.data.corruptions import KINDS, corrupt
from digits.evaluating.predictions import predict
from digits.runs.layout import RunError

SEED = 0


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


def measure(nets: Sequence[Net], sets: Iterator[tuple[str, Split]], batch_size: int) -> list[Accuracy]:
    """The accuracy of every net on every set."""
    found: list[Accuracy] = [{} for _ in nets]
    for name, split in sets:
        for net, accuracies in zip(nets, found, strict=True):
            right = predict(net.net, split, net.normalise, batch_size, views=net.views).right
            accuracies[name] = round(right.double().mean().item(), 8)
        print(f"{name:21}", *(f"{accuracies[name]:.2%}" for accuracies in found), file=sys.stderr, flush=True)
    return found


def line_of(name: str, net: Net, accuracies: Accuracy, where: str) -> Tree:
    """A net's line in the record; `where` is what it was measured on."""
    origin: Tree = {
        "recipe": name,
        "seed": net.seed,
        "weights": net.weights,
        "commit": net.commit.tree(),
        "views": net.views,
    }
    device = str(next(net.net.parameters()).device)
    return origin | {"device": device, "machine": where, "accuracy": {**accuracies}}


def check_pictures(folder: Path) -> None:
    """Raise RunError where a set of other people's digits isn't in a folder."""
    if absent := [f"{name}.npz" for name in PICTURES if not (folder / f"{name}.npz").is_file()]:
        raise RunError(f"{' and '.join(absent)} not found in {folder}; --pictures takes a folder that holds both sets")


def measured(
    recipes: dict[str, list[str]], split_name: str, pictures: Path | None, former: Measured | None, *, anew: bool
) -> Measured:
    """Measure the nets of these runs; gives what was recorded before together with that.

    Raises RunError, RecordError or DataError where that can't be, before anything is measured.
    """
    if pictures:
        check_pictures(pictures)
    names = [name for name, runs in recipes.items() for _ in runs]
    nets = [read_net(run) for runs in recipes.values() for run in runs]
    data, split = read_splits(nets, split_name)
    where = machine()

    def together(found: Sequence[Accuracy]) -> Measured:
        lines = [line_of(name, net, right, where) for name, net, right in zip(names, nets, found, strict=True)]
        return merged(former, Measured(str(data.name), split_name, len(split), SEED, lines), anew=anew)

    wanted = dict.fromkeys((CLEAN, *KINDS, *(PICTURES if pictures else ())), 0.0)
    together([wanted] * len(nets))  # does it fit the record?
    return together(measure(nets, picture_sets(split, pictures), data.eval_batch_size))


def main(arguments: Sequence[str] | None = None, path: Path = RECORD) -> None:
    """Measure, print, and for the test split record."""
    parser = make_parser("benchmarks.robustness", __doc__)
    parser.add_argument("recipes", metavar="NAME=RUN[,RUN...]", nargs="+", help="a column's name and its runs")
    parser.add_argument("--pictures", metavar="DIR", type=Path, help="folder with semeion.npz and optdigits32.npz")
    parser.add_argument("--split", choices=["test", "val"], default="test", help="what is corrupted (default: test)")
    parser.add_argument("--anew", action="store_true", help="leave out what was recorded of these names")
    given = parser.parse_args(arguments)
    with told():
        former = read(path) if given.split == "test" and path.exists() else None
        now = measured(named_runs(given.recipes), given.split, given.pictures, former, anew=given.anew)
        if given.split == "test":
            write(now, path)
        print(as_text(now))


if __name__ == "__main__":
    main()
