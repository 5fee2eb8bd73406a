"""A run's net against a data set: what `digits.evaluate` prints and leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from tabulate import tabulate
from torch import nn

from digits.config.targets import check_read_back, instantiate
from digits.config.tree import Tree
from digits.data import MNISTDataModule
from digits.training import figures, saved
from digits.training.predictions import predict
from digits.training.run import RunError
from digits.training.scores import Scores, score
from digits.training.storage import write_json

SHOWN_MISTAKES = 10


def rebuild(record: Tree, weights: Path, trust: tuple[str, ...], *, channels_last: bool) -> nn.Module:
    """A run's net, on the accelerator if there is one; in training's memory layout, for the same bits.

    Raises RunError when the record names what must not be called, or the weights are another net's.
    """
    net = saved.build_net(record, trust, weights)
    saved.load_weights(net, weights)
    net = net.to("cuda" if torch.cuda.is_available() else "cpu")
    return net.to(memory_format=torch.channels_last) if channels_last else net


def read_data(section: Tree, trust: tuple[str, ...]) -> MNISTDataModule:
    """The data set that a section of the configuration describes, read and split.

    Raises DataError when it can't be had, RunError when its target is no DataModule of ours.
    """
    check_read_back(section, trust)
    data = instantiate(section)
    if not isinstance(data, MNISTDataModule):
        raise RunError(f"{section['_target_']} is no MNISTDataModule, so it can't be evaluated on")
    data.prepare_data()
    data.setup()
    return data


def evaluate(net: nn.Module, data: MNISTDataModule, split: str) -> tuple[Scores, dict[str, Figure]]:
    """The figures of merit on a split, and the pictures."""
    images = data.split(split)
    predictions = predict(net, images, data.normalise, data.eval_batch_size)
    scores = score(predictions, data.classes)
    return scores, figures.pictures(predictions, scores, images, data.classes)


def leave(folder: Path, tree: Tree, pictures: dict[str, Figure]) -> None:
    """Write `evaluation.json` and the pictures, each beside its place and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        part = folder / f".{name}.part"
        part.write_bytes(figures.png(figure))
        part.replace(folder / f"{name}.png")
    write_json(folder / "evaluation.json", tree)


def other_names(net_classes: Sequence[str], data_classes: Sequence[str], data_name: str | None) -> list[str]:
    """That a set calls the classes something else than the net's own, as a sentence; or nothing."""
    if not net_classes or list(net_classes) == list(data_classes):
        return []
    return [
        f"the net was trained to tell apart {', '.join(net_classes)}; "
        f"{data_name} has {', '.join(data_classes)}, taken in this order"
    ]


def as_text(scores: Scores, title: str, notes: Sequence[str]) -> str:
    """The evaluation for the terminal."""
    low, high = scores.interval
    figures_of_merit = [
        ["accuracy", f"{scores.accuracy:.2%}", f"95% interval {low:.2%} to {high:.2%}; "
                                               f"{scores.correct:,} of {scores.images:,} images"],
        ["loss", f"{scores.loss:.4f}", "mean cross-entropy in nats"],
        ["calibration error", f"{scores.calibration_error:.2%}", "expected, 15 bins"],
    ]  # fmt: skip
    names = [c.name for c in scores.classes]
    by_class = [
        [c.name, f"{c.images:,}", f"{c.precision:.2%}", f"{c.recall:.2%}", f"{c.f1:.2%}"] for c in scores.classes
    ]
    confusion = [[name, *(f"{n:,}" if n else "·" for n in row)]
                 for name, row in zip(names, scores.confusion_matrix, strict=True)]  # fmt: skip
    worst = [[str(m.index), m.truth, m.guess, f"{m.confidence:.1%}"] for m in scores.mistakes[:SHOWN_MISTAKES]]
    parts = [
        title,
        *(f"note: {note}" for note in notes),
        "",
        _table(figures_of_merit, (), "lrl"),
        "",
        _table(by_class, ("class", "images", "precision", "recall", "F1"), "lrrrr"),
        "",
        _table(confusion, ("truth \\ guess", *names), "l" + "r" * len(names)),
        "",
        _table(worst, ("image", "truth", "taken for", "confidence"), "rllr") if worst else "no mistakes",
    ]
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str], align: str) -> str:
    sides = {"l": "left", "r": "right"}
    return tabulate(
        rows, headers=headers, tablefmt="simple" if headers else "plain", disable_numparse=True,
        colalign=[sides[side] for side in align],
    )  # fmt: skip
