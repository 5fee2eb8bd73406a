"""The data that a net is asked about: read, and its classes brought into the net's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from digits.config.faults import TargetError
from digits.config.instantiate import check_read_back, instantiate
from digits.data import MNISTDataModule, PagesDataModule, Split
from digits.data.base import B, SplitsDataModule
from digits.data.datasets import DataError
from digits.data.pages.rows import PageRows
from digits.evaluating.members import Member, by_name
from digits.runs.layout import RESULT, RunError
from digits.runs.read import peek
from digits.runs.schema import NetInput, RecordedData

M = TypeVar("M", MNISTDataModule, PagesDataModule)

STAGES = {"train": "fit", "val": "validate", "test": "test"}
"""What Lightning calls the stage that a split is for: some data sets prepare no more than is asked for."""


def read_data(
    sections: Sequence[RecordedData], trust: tuple[str, ...], split: str | None = None
) -> list[MNISTDataModule]:
    """The DataModules that sections of the configuration describe, the first of them read and split.

    With `split` what is made to be added to other splits is left out (`ReaderDataModule.setup`).

    Raises DataError when the data can't be had, RunError when a section doesn't describe a DataModule of ours.
    """
    with _telling_the_record():
        modules = [_module(section, trust, MNISTDataModule) for section in sections]
        modules[0].prepare_data()
        modules[0].setup(None if split is None else STAGES[split])
    return modules


def read_pages(section: RecordedData, split: str, trust: tuple[str, ...]) -> tuple[PagesDataModule, PageRows]:
    """The DataModule that a section of the configuration describes, and the one split that is asked for; as above."""
    with _telling_the_record():
        module = _module(section, trust, PagesDataModule)
        return module, module.split(split)


@contextmanager
def _telling_the_record() -> Iterator[None]:
    try:
        yield
    except (RunError, TargetError):
        raise
    except ValueError as error:  # a split of a size or by a seed that the schema can't know to be too large
        raise RunError(f"{RESULT}: {error}") from None


def _module(section: RecordedData, trust: tuple[str, ...], kind: type[M]) -> M:
    check_read_back(section.tree(), trust)
    module = instantiate(section.tree())
    if not isinstance(module, kind):
        raise RunError(f"{section.target} is not a {kind.__name__}, so it can't be evaluated on")
    return module


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
    """That the user's own pictures are not what they were in training, as a sentence; or nothing."""
    kind = member.data.kind
    chosen = all(member.data.at(key) is not None for key in kind.chosen_by)  # else every picture is asked about
    if not (kind.users_own and member.trained_on.kind is kind and chosen):
        return []
    then = peek(member.run).data.checksums
    if then is None or then == data.checksums:
        return []
    return [f"{data.root} holds other pictures than when {member.run} was trained, so it may have been trained on some "
            "of these"]  # fmt: skip


def file_names(member: Member, data: MNISTDataModule, split: str) -> tuple[str, ...]:
    """The files that a split's images come from, by their row; none where they have no files of their own."""
    if not member.data.kind.users_own:
        return ()
    files: dict[str, tuple[str, ...]] = data.files  # type: ignore[attr-defined]  # which such a data set has
    return files[split]


def other_names(net_classes: Sequence[str], data_classes: Sequence[str], data_name: str | None) -> list[str]:
    """That a set calls the classes something else than the net's own, as a sentence; or nothing."""
    if not net_classes or list(net_classes) == list(data_classes):
        return []
    return [
        f"the net was trained to tell apart {', '.join(net_classes)}; "
        f"{data_name} has {', '.join(data_classes)}, taken in this order"
    ]


def net_input(data: SplitsDataModule[B]) -> NetInput:
    """What a net takes that learns from a data set, as `model.json` says it.

    Raises DataError where a DataModule of one's own can't say so.
    """
    try:
        mean, std, side = float(data.mean), float(data.std), int(data.image_size)
        return NetInput(mean=mean, std=std, image_size=side, classes=list(map(str, data.classes)))
    except (TypeError, ValueError) as error:
        name = type(data).__name__
        raise DataError(f"{name} needs a mean, an std, an image_size and the names of its classes: {error}") from None
