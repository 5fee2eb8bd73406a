"""All findings about a data set, measured once, for the plots, the page and `statistics.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits
from torch import nn

from digits.config.files import shown as displayable
from digits.config.types import Tree, Value
from digits.data.datamodule import MNISTDataModule
from digits.exploring.demonstrate import TURNS, Demonstrations, augmented, demonstrate
from digits.exploring.describe import (
    Bytes,
    Copies,
    Pictures,
    Real,
    Whole,
    boxes,
    centres_of_mass,
    class_counts,
    class_means,
    copies,
    ink,
    moments,
    pixel_histogram,
)
from digits.exploring.doubts import Answers, Doubts, doubts
from digits.exploring.extremes import Extremes, extremes
from digits.exploring.neighbours import Map, project, reduce

PER_CLASS = 12  # images that are shown of each class
PARTS = 6  # of the measurements, as `examine` tells them

Tell = Callable[[str], object]  # is called with the name of each part of the work when it begins


class Findings(NamedTuple):
    """The measurements of a data set; only training images are shown, but for copies and what a run doubts."""

    name: str
    classes: tuple[str, ...]
    configured: tuple[float, float]  # mean and std in the configuration
    splits: dict[str, Pictures]  # train, val, test, as configured
    rows: dict[str, Whole]  # per split: where each image stands in the official training or test split
    files: dict[str, tuple[str, ...]]  # per split: the file of each official row, for sets of picture files
    official: tuple[float, float]  # mean and std of the official training split: train and val together
    histogram: Whole  # (256,) grey values of the official training split
    counts: dict[str, Whole]  # per split: images of each class, (C,)
    moments: dict[str, tuple[float, float]]  # per split: mean and std of the pixels, 0..1
    ink: Real  # (N,): mean pixel of each training image
    boxes: Whole  # (N, 4): bounding box of each training image's ink
    centres: Real  # (N, 2): centre of mass of each training image
    means: Real  # (C, H, W): mean training image of each class
    samples: Bytes  # (C, PER_CLASS, H, W): training images of each class; empty ones for a class without any
    extremes: Extremes  # of the training images
    copies: Copies
    doubts: Doubts | None  # of a run, if one was asked
    map: Map  # of training images
    demonstrations: Demonstrations
    augmented: Bytes  # (5, 8, H, W): training images, each followed by seven augmented copies

    @property
    def agrees(self) -> bool:
        """Whether the configured mean and std equal the recomputed ones, to four decimals."""
        return all(round(a, 4) == round(b, 4) for a, b in zip(self.configured, self.official, strict=True))

    @property
    def one_split(self) -> bool:
        """Whether the training and the test split are the same images, as in a folder that is only evaluated on."""
        number = len(self.splits["train"].labels)
        return self.copies.counts.get(("train", "test")) == number == len(self.splits["test"].labels)

    @property
    def shown(self) -> Whole:
        """The numbers of the classes that have training images."""
        return np.flatnonzero(self.counts["train"])

    def image_name(self, split: str, row: int) -> str:
        """How a person finds an image again: its file, or its split and its row in the official one.

        Train and val are parts of the official training split, so "val #123" is row 123, from 0, of that.
        """
        official, files = int(self.rows[split][row]), self.files.get(split, ())
        return displayable(files[official]) if official < len(files) else f"{split} #{official}"

    def label(self, split: str, row: int) -> str:
        """The name of an image's class."""
        return self.classes[int(self.splits[split].labels[row])]


def silent(part: str) -> None:
    """A `Tell` that tells nobody."""


def examine(data: MNISTDataModule, augment: nn.Module, answers: Answers | None = None, tell: Tell = silent) -> Findings:
    """Measure the data set of a DataModule that has been set up; with a run's predictions, also what it doubts."""
    tell("exact copies")
    rows_of = {
        name: split
        for name, split in (("train", data.train), ("val", data.val), ("test", data.test))
        if split is not None
    }
    splits = {name: Pictures(split.pixels().numpy(), split.truth().numpy()) for name, split in rows_of.items()}
    train, classes = splits["train"], len(data.classes)
    held_out = "val" if "val" in splits else "train"
    histograms = {name: pixel_histogram(pictures.images) for name, pictures in splits.items()}
    histogram = sum((histograms[name] for name in splits if name != "test"), np.zeros(256, np.int64))
    samples = _samples(train, classes)
    repeated = copies(splits)
    held = np.unique(train.labels)  # the classes to choose from
    some = samples[held[np.linspace(0, len(held) - 1, 5).astype(int)], 0]
    with ThreadPoolExecutor(1) as beside, threadpool_limits(1):
        laid_out = beside.submit(project, train, classes)  # the longest part, and mostly outside Python's lock
        tell("hardest images")
        chosen = extremes(reduce(train.images), train.labels, classes)
        tell("label errors and near duplicates")
        doubtful = None if answers is None else doubts(splits, repeated, answers, classes)
        tell("demonstrations")
        shown = demonstrate(train, splits[held_out], held_out, classes, data.mean, data.std)
        tell("statistics")
        altered = np.concatenate([some[:, None], augmented(some, augment, times=7)], axis=1)
        tell("map")
        return Findings(
            name=str(data.name),
            classes=data.classes,
            configured=(data.mean, data.std),
            splits=splits,
            rows={name: split.rows.numpy() for name, split in rows_of.items()},
            files=getattr(data, "files", {}),
            official=moments(histogram),
            histogram=histogram,
            counts={name: class_counts(pictures.labels, classes) for name, pictures in splits.items()},
            moments={name: moments(histograms[name]) for name in splits},
            ink=ink(train.images),
            boxes=boxes(train.images),
            centres=centres_of_mass(train.images),
            means=class_means(train, classes),
            samples=samples,
            extremes=chosen,
            copies=repeated,
            doubts=doubtful,
            demonstrations=shown,
            map=laid_out.result(),
            augmented=altered,
        )


def _samples(train: Pictures, num_classes: int) -> Bytes:
    """Random images of each class, the same ones every time; a class with too few repeats some."""
    random = np.random.RandomState(0)
    shown = np.zeros((num_classes, PER_CLASS, *train.images.shape[1:]), np.uint8)
    for c in np.unique(train.labels):
        shown[c] = train.images[np.resize(random.permutation(np.flatnonzero(train.labels == c)), PER_CLASS)]
    return shown


def class_ink(found: Findings) -> Real:
    """The mean ink of each class's training images, (C,); NaN for a class without any."""
    labels, total = found.splits["train"].labels, np.full(len(found.classes), np.nan)
    for c in found.shown:
        total[c] = found.ink[labels == c].mean()
    return total


def statistics(found: Findings) -> Tree:
    """The findings as plain data, for `statistics.json`."""
    shown = found.demonstrations
    longest = found.boxes[:, 2:].max(axis=1)
    offsets = found.centres[~np.isnan(found.centres[:, 0])]
    return {
        "data": found.name,
        "classes": list(found.classes),
        "splits": {
            name: {
                "images": len(pictures.labels),
                "counts": _numbers(found.counts[name]),
                "mean": round(found.moments[name][0], 6),
                "std": round(found.moments[name][1], 6),
            }
            for name, pictures in found.splits.items()
        },
        "normalisation": {
            "configured": list(found.configured),
            "recomputed": [round(value, 6) for value in found.official],
            "agrees": found.agrees,
        },
        "pixels": {
            "histogram": _numbers(found.histogram),
            "background": round(float(found.histogram[0] / found.histogram.sum()), 6),
        },
        "ink": _rounded(class_ink(found)),
        "frames": {
            "longer_side": _numbers(np.bincount(longest)),
            "centre_of_mass_mean": _rounded(offsets.mean(axis=0)),
            "centre_of_mass_std": _rounded(offsets.std(axis=0)),
        },
        "duplicates": {
            "counts": {f"{a}/{b}": count for (a, b), count in found.copies.counts.items()},
            "conflicts": found.copies.conflicts,
        },
        "hardest": {
            name: [found.image_name("train", row) for row in rows.tolist() if row >= 0]
            for name, rows in zip(found.classes, found.extremes.hardest, strict=True)
        },
        **({} if found.doubts is None else {"doubts": _doubts(found, found.doubts)}),
        "map": {
            "pictures": len(found.map.rows),
            "variance_of_50_components": round(float(found.map.variance[-1]), 4),
            "nearest_alike_pixels": round(found.map.alike, 4),
            "nearest_alike_map": round(found.map.alike_on_map, 4),
        },
        "demonstrations": {
            "evaluated_on": shown.evaluated_on,
            "rate": shown.rate,
            "scalings": {
                scaling.name: {
                    "largest_eigenvalue": float(f"{scaling.largest:.5g}"),
                    "largest_over_fiftieth": float(f"{scaling.ratio:.5g}"),
                    "best_held_out_loss": round(float(np.nanmin(scaling.held_out)), 4),
                    "held_out_loss_at_rate": round(float(scaling.held_out[shown.scalings[-1].held_out.argmin()]), 4),
                }
                for scaling in shown.scalings
            },
            "accuracy_by_shift": _rounded(shown.shifted),
            "accuracy_by_turn": {how: _rounded(row) for how, row in zip(TURNS, shown.turned, strict=True)},
        },
    }


def _doubts(found: Findings, doubtful: Doubts) -> Tree:
    """What a run doubts, with the names of the images."""
    split = doubtful.answers.split
    return {
        "run": doubtful.answers.run,
        "split": split,
        "images": len(doubtful.answers.losses),
        "label_errors": [
            {
                "image": found.image_name(split, suspect.row),
                "label": found.classes[suspect.label],
                "suggested": found.classes[suspect.suggested],
                "probability_of_label": round(suspect.given, 4),
                "probability_of_suggested": round(suspect.probability, 4),
            }
            for suspect in doubtful.suspects
        ],
        "largest_losses": {
            name: [
                {"image": found.image_name(split, row), "loss": round(float(doubtful.answers.losses[row]), 4)}
                for row in rows.tolist()
                if row >= 0
            ]
            for name, rows in zip(found.classes, doubtful.hardest, strict=True)
        },
        "near_duplicates": [
            {
                "images": [found.image_name(*pair.one), found.image_name(*pair.other)],
                "labels": [found.label(*pair.one), found.label(*pair.other)],
                "difference": round(pair.difference, 2),
                "share_of_usual": round(pair.share, 3),
            }
            for pair in doubtful.pairs
        ],
    }


def _numbers(values: Whole) -> list[Value]:
    return [int(value) for value in values]


def _rounded(values: Iterable[float]) -> list[Value]:
    """To four decimals; None for NaN, which JSON does not have."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
