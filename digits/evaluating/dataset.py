"""The data that a net is evaluated on: read, and its classes put into the net's order."""

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
"""Lightning's stage for each split: some data sets prepare only the split of the given stage."""


def read_data(
    sections: Sequence[RecordedData], trust: tuple[str, ...], split: str | None = None
) -> list[MNISTDataModule]:
    """The DataModules of sections of the configuration, the first of them read and split.

    With `split`, additions to the other splits are not generated (`ReaderDataModule.setup`).

    Raises DataError when the data can't be read, RunError when a section is not that of an MNISTDataModule.
    """
    with _telling_the_record():
        modules = [_module(section, trust, MNISTDataModule) for section in sections]
        modules[0].prepare_data()
        modules[0].setup(None if split is None else STAGES[split])
    return modules


def read_pages(section: RecordedData, split: str, trust: tuple[str, ...]) -> tuple[PagesDataModule, PageRows]:
    """The PagesDataModule of a section of the configuration, and one of its splits; raises as `read_data`."""
    with _telling_the_record():
        module = _module(section, trust, PagesDataModule)
        return module, module.split(split)


@contextmanager
def _telling_the_record() -> Iterator[None]:
    try:
        yield
    except (RunError, TargetError):
        raise
    except ValueError as error:  # a size or seed of the split that fits the schema, but not the data
        raise RunError(f"{RESULT}: {error}") from None


def _module(section: RecordedData, trust: tuple[str, ...], kind: type[M]) -> M:
    check_read_back(section.tree(), trust)
    module = instantiate(section.tree())
    if not isinstance(module, kind):
        raise RunError(f"{section.target} is not a {kind.__name__}, so it can't be evaluated on")
    return module


def name_classes(data: MNISTDataModule, known: Sequence[str]) -> list[str]:
    """Relabel a data set with the net's class numbers, matched by name; returns notes for the user.

    Raises RunError for a class that the net does not know.
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
    return [f"the model also knows {', '.join(absent)}; {data.name} has no images of these"] if absent else []


def changed_pictures(member: Member, data: MNISTDataModule) -> list[str]:
    """A note if the user's own pictures have changed since training; else nothing."""
    kind = member.data.kind
    chosen = all(member.data.at(key) is not None for key in kind.chosen_by)  # else every picture is used
    if not (kind.users_own and member.trained_on.kind is kind and chosen):
        return []
    then = peek(member.run).data.checksums
    if then is None or then == data.checksums:
        return []
    return [f"the pictures in {data.root} have changed since {member.run} was trained; it may have been trained on "
            "some of these"]  # fmt: skip


def file_names(member: Member, data: MNISTDataModule, split: str) -> tuple[str, ...]:
    """The file of each of a split's images, by row; empty if the images are not from files of their own."""
    if not member.data.kind.users_own:
        return ()
    files: dict[str, tuple[str, ...]] = data.files  # type: ignore[attr-defined]  # a set of users' own pictures has it
    return files[split]


def other_names(net_classes: Sequence[str], data_classes: Sequence[str], data_name: str | None) -> list[str]:
    """A note if a set's class names differ from the net's; else nothing."""
    if not net_classes or list(net_classes) == list(data_classes):
        return []
    return [
        f"the model's classes are {', '.join(net_classes)}; those of {data_name} are {', '.join(data_classes)}, "
        "matched in this order"
    ]


def net_input(data: SplitsDataModule[B]) -> NetInput:
    """The input of a net trained on a data set, as `model.json` records it.

    Raises DataError for a user's DataModule without the necessary attributes.
    """
    try:
        mean, std, side = float(data.mean), float(data.std), int(data.image_size)
        return NetInput(mean=mean, std=std, image_size=side, classes=list(map(str, data.classes)))
    except (TypeError, ValueError) as error:
        name = type(data).__name__
        raise DataError(f"{name} needs a mean, an std, an image_size and the names of its classes: {error}") from None
