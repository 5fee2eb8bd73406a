"""The evaluation of nets, from the runs' files to `evaluation.json` and the plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import nn
from tqdm import tqdm

from digits.config.types import Tree, Value
from digits.data import MNISTDataModule, Split
from digits.data.corruptions import KINDS, corrupt
from digits.evaluating import dataset, figures, load, tables
from digits.evaluating.comparison import compare
from digits.evaluating.ensemble import telling_whose
from digits.evaluating.evaluation import evaluate, leave, predictions
from digits.evaluating.members import Member
from digits.evaluating.plan import Question, views_of
from digits.evaluating.predictions import average
from digits.evaluating.sides import Sides
from digits.runs.atomic import write_json
from digits.runs.schema import CLEAN
from digits.runs.table import Table


@dataclass(frozen=True)
class Judgement:
    """The result of an evaluation: the content of `evaluation.json`, and the same as text."""

    tree: Tree
    text: str


def judge(members: Sequence[Member], asked: Question, folder: Path) -> Judgement:
    """Rebuild the nets, read the data, evaluate, and write the files to a folder.

    Raises RunError and TargetError for faults in a run's files, DataError for data that can't be read, OSError for
    files that can't be written.
    """
    alone = len(members) == 1
    nets, modules, notes = _ready(members, asked)
    data = modules[0]
    found = evaluate(members, nets, modules, asked.split)
    which, files = members[0].which, dataset.file_names(members[0], data, asked.split)
    views = views_of(members)
    tree: Tree = {
        "format": 1,
        "run": str(members[0].run) if alone else None,
        "members": [score.tree() for score in found.members],
        "weights": which,
        "data": members[0].data.tree(),
        "split": asked.split,
        "views": views,
        "notes": list[Value](notes),
        **found.scores.tree(),
        **({"files": [files[m.index] for m in found.scores.mistakes]} if files else {}),
        "folder": str(folder),
    }
    leave(folder, tree, {name: figures.png(figure) for name, figure in found.pictures.items()})
    whose = f"{members[0].run}" if alone else f"the mean of these {len(members)} nets' probabilities"
    seen = "" if views == 1 else f", mean of {views} views" if views else ", each with the views of its own test"
    title = f"{whose}: {which} weights on the {asked.split} split of {data.name}{seen}"
    each = "" if alone else f"{tables.members_table(found.members)}\n\n"
    return Judgement(tree, f"{each}{tables.as_text(found.scores, title, notes, files)}\n\npictures  {folder}")


def judge_sides(members: Sequence[Member], sides: Sides, asked: Question, folder: Path) -> Judgement:
    """Compare two sides of runs, and write `comparison.json`; raises as `judge` does."""
    nets, modules, notes = _ready(members, asked)
    answers = predictions(members, nets, modules, modules[0].split(asked.split))
    found = compare(*([(str(members[i].run), answers[i]) for i in side] for side in sides))
    data = members[0].data
    tree: Tree = {
        "format": 1,
        "weights": members[0].which,
        "data": data.tree(),
        "split": asked.split,
        "views": views_of(members),
        "notes": list[Value](notes),
        **found.tree(),
        "folder": str(folder),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "comparison.json", tree)
    title = f"{members[0].which} weights on the {asked.split} split of {data.name}, {found.images:,} images"
    return Judgement(tree, "\n".join([title, *(f"note: {note}" for note in notes), "", found.sentence]))


def judge_corrupted(members: Sequence[Member], asked: Question, folder: Path) -> Judgement:
    """Evaluate on the split as it is and with each kind of corruption, and write `corrupted.json`; raises as `judge`.

    Several nets are averaged. The corruptions are drawn with seed 0, so every net gets the same images.
    """
    nets, modules, notes = _ready(members, asked)
    clean = modules[0].split(asked.split)
    images, labels = clean.pixels(), clean.truth()
    accuracies = {CLEAN: _accuracy(members, nets, modules, clean)}
    for kind in tqdm(KINDS, desc="corruptions", leave=False, disable=None):
        split = Split(corrupt(images, kind, seed=0), labels, torch.arange(len(labels)))
        accuracies[kind] = _accuracy(members, nets, modules, split)
    mean = fmean(accuracies[kind] for kind in KINDS)
    data, runs = members[0].data, [str(member.run) for member in members]
    tree: Tree = {
        "format": 1,
        "runs": list[Value](runs),
        "weights_sha256": [member.sha256 for member in members],
        "weights": members[0].which,
        "data": data.tree(),
        "split": asked.split,
        "views": views_of(members),
        "images": len(clean),
        "notes": list[Value](notes),
        "accuracy": dict[str, Value](accuracies),
        "mean": mean,
        "folder": str(folder),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "corrupted.json", tree)
    title = f"{', '.join(runs)}: {members[0].which} weights on the {asked.split} split of {data.name}, corrupted"
    rows = [*accuracies.items(), ("mean of the corruptions", mean)]
    text = Table(("corruption", "accuracy"), [[name, f"{share:.2%}"] for name, share in rows]).text()
    return Judgement(tree, "\n".join([title, *(f"note: {note}" for note in notes), "", text]))


def _accuracy(
    members: Sequence[Member], nets: Sequence[nn.Module], modules: Sequence[MNISTDataModule], images: Split
) -> float:
    """Of the mean of the nets' probabilities, a fraction."""
    return float(average(predictions(members, nets, modules, images)).right.double().mean())


def _ready(members: Sequence[Member], asked: Question) -> tuple[list[nn.Module], Sequence[MNISTDataModule], list[str]]:
    """The nets rebuilt, their data read, and notes on both."""
    alone = len(members) == 1
    nets = []
    for member in members:
        with telling_whose(member.run, alone=alone):
            nets.append(load.rebuild(member, asked.trust))
    with telling_whose(members[0].run, alone=alone):
        modules = dataset.read_data([member.data for member in members], asked.trust, asked.split)
    data = modules[0]
    classes = next((member.classes for member in members if member.classes), [])
    notes = dataset.name_classes(data, classes)
    notes += [note for member in members for note in dataset.changed_pictures(member, data)]
    if data.limit is not None:
        notes.append(f"only the first {len(data.split(asked.split)):,} images: the run has data.limit={data.limit}")
    return nets, modules, notes
