"""Nets against a data set: what `digits.evaluate` prints and leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch
from matplotlib.figure import Figure
from tabulate import tabulate
from torch import nn

from digits.config.class_folders import is_image_folder
from digits.config.faults import TargetError
from digits.config.files import shown
from digits.config.instantiate import check_read_back, instantiate
from digits.config.types import Tree
from digits.data import ImageFolder, MNISTDataModule, Split
from digits.runs import weights
from digits.runs.atomic import write_json
from digits.runs.layout import RESULT, RunError
from digits.runs.read import peek
from digits.training import figures
from digits.training.members import Member, by_name
from digits.training.predictions import average, predict
from digits.training.scores import Scores, score

SHOWN_MISTAKES = 10


@dataclass(frozen=True)
class MemberScore:
    """One net of those that were asked, and what it is worth alone."""

    run: str
    net: str
    parameters: int
    accuracy: float
    loss: float  # mean cross-entropy in nats
    mean: float  # of the pixels, as the net was trained
    std: float
    weights_sha256: str | None
    views: int  # of each picture, whose mean is its answer

    def tree(self) -> Tree:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Evaluation:
    """What came out, of all nets together and of each."""

    scores: Scores
    members: tuple[MemberScore, ...]
    pictures: dict[str, Figure]


def rebuild(member: Member, trust: tuple[str, ...]) -> nn.Module:
    """A run's net, on the accelerator if there is one; in training's memory layout, for the same bits.

    Raises RunError when the record names what must not be called, or the weights are another net's.
    """
    net = weights.build_net(member.model, trust, member.weights)
    weights.load_weights(net, member.weights)
    net = net.to("cuda" if torch.cuda.is_available() else "cpu")
    return net.to(memory_format=torch.channels_last) if member.channels_last else net


def read_data(sections: Sequence[Tree], trust: tuple[str, ...]) -> list[MNISTDataModule]:
    """The DataModules that sections of the configuration describe, the first of them read and split.

    Raises DataError when the data can't be had, RunError when a section doesn't describe a DataModule of ours.
    """
    try:
        modules = [_module(section, trust) for section in sections]
        modules[0].prepare_data()
        modules[0].setup()
    except (RunError, TargetError):
        raise
    except ValueError as error:  # a split of a size or by a seed that the schema can't know to be too large
        raise RunError(f"{RESULT}: {error}") from None
    return modules


def _module(section: Tree, trust: tuple[str, ...]) -> MNISTDataModule:
    check_read_back(section, trust)
    module = instantiate(section)
    if not isinstance(module, MNISTDataModule):
        raise RunError(f"{section['_target_']} is no MNISTDataModule, so it can't be evaluated on")
    return module


def evaluate(
    members: Sequence[Member], nets: Sequence[nn.Module], modules: Sequence[MNISTDataModule], split: str
) -> Evaluation:
    """The figures of merit on a split, and the pictures.

    Each net is given batches as its own DataModule makes them; the images are those of the first, which has been set
    up. A net answers with the mean of its probabilities over its member's views, several with the mean of theirs.
    """
    data = modules[0]
    images, answers, scores = data.split(split), [], []
    for member, net, module in zip(members, nets, modules, strict=True):
        answer = predict(net, images, module.normalise, module.eval_batch_size, views=member.views)
        alone = score(answer, data.classes)
        parameters = sum(p.numel() for p in net.parameters())
        scores.append(
            MemberScore(str(member.run), type(net).__name__, parameters, alone.accuracy, alone.loss, module.mean,
                        module.std, member.sha256, member.views)
        )  # fmt: skip
        answers.append(answer)
    together = average(answers)
    found = score(together, data.classes)
    return Evaluation(found, tuple(scores), figures.pictures(together, found, images, data.classes))


def leave(folder: Path, tree: Tree, pictures: dict[str, Figure]) -> None:
    """Write `evaluation.json` and the pictures, each beside its place and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        part = folder / f".{name}.part"
        part.write_bytes(figures.png(figure))
        part.replace(folder / f"{name}.png")
    write_json(folder / "evaluation.json", tree)


def name_classes(data: MNISTDataModule, known: Sequence[str]) -> list[str]:
    """Give the classes of a set that was read the numbers that the net gives them, by name; what is to be said of it.

    Raises RunError where the net doesn't know a class.
    """
    places = by_name(known, data.classes, str(data.name))
    if places is None:
        return other_names(known, data.classes, data.name)
    order = torch.tensor(places)
    for name in ("train", "val", "test"):
        if (split := getattr(data, name)) is not None:
            setattr(data, name, Split(split.images, order[split.labels], split.rows))
    absent = [label for label in known if label not in data.classes]
    data.classes = tuple(known)
    return [f"the net also knows {', '.join(absent)}, of which {data.name} has no pictures"] if absent else []


def changed_pictures(member: Member, data: MNISTDataModule) -> list[str]:
    """That a run's own folder of pictures is not what it was in training, as a sentence; or nothing."""
    if not isinstance(data, ImageFolder) or data.test_size is None or not is_image_folder(member.trained_on):
        return []
    recorded = peek(member.run).get("data")
    then = recorded.get("checksums") if isinstance(recorded, dict) else None
    if not isinstance(then, dict) or then == data.checksums:
        return []
    return [f"{data.root} holds other pictures than when {member.run} was trained, so it may have been trained on some "
            "of these"]  # fmt: skip


def file_names(data: MNISTDataModule, split: str) -> tuple[str, ...]:
    """The files that a split's images come from, by their row; none where they have no files of their own."""
    return data.files[split] if isinstance(data, ImageFolder) else ()


def other_names(net_classes: Sequence[str], data_classes: Sequence[str], data_name: str | None) -> list[str]:
    """That a set calls the classes something else than the net's own, as a sentence; or nothing."""
    if not net_classes or list(net_classes) == list(data_classes):
        return []
    return [
        f"the net was trained to tell apart {', '.join(net_classes)}; "
        f"{data_name} has {', '.join(data_classes)}, taken in this order"
    ]


def members_table(members: Sequence[MemberScore]) -> str:
    """Each net alone, and their mean, for the terminal."""
    rows = [[m.run, m.net, f"{m.parameters:,}", f"{m.accuracy:.2%}"] for m in members]
    accuracies = [m.accuracy for m in members]
    rows.append(["mean ± sd", "", "", f"{fmean(accuracies):.2%} ± {stdev(accuracies):.2%}"])
    return _table(rows, ("run", "net", "parameters", "accuracy"), "llrl")


def as_text(scores: Scores, title: str, notes: Sequence[str], files: Sequence[str] = ()) -> str:
    """The evaluation for the terminal; mistakes with the names of their files where they have some."""
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
    worst = [
        [shown(files[m.index]) if files else str(m.index), m.truth, m.guess, f"{m.confidence:.1%}"]
        for m in scores.mistakes[:SHOWN_MISTAKES]
    ]
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
        _table(worst, ("image", "truth", "taken for", "confidence"), ("l" if files else "r") + "llr")
        if worst
        else "no mistakes",
    ]
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str], align: str) -> str:
    sides = {"l": "left", "r": "right"}
    return tabulate(
        rows, headers=headers, tablefmt="simple" if headers else "plain", disable_numparse=True,
        colalign=[sides[side] for side in align],
    )  # fmt: skip
