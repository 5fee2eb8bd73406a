"""A user's own pictures as a data set: one folder per class, each picture prepared as the reader prepares it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from digits.config.files import few, shown
from digits.data.class_folders import FolderError, find_pictures
from digits.data.datamodule import MNISTDataModule
from digits.data.datasets import DIGITS, NONE, Arrays, DataError
from digits.data.loader import Split, mix
from digits.data.picture_files import Pictures, Rows, read_pictures

log = logging.getLogger(__name__)


class ImageFolder(MNISTDataModule):
    """Pictures of any kind in `root/CLASS/`, or in `root/train/CLASS/` and `root/test/CLASS/`.

    Each picture becomes the patch that the reader would make of it; copies count once. Without a `test/` folder,
    `test_size` of them, a part of every class chosen by `test_seed`, are the test split; with `test_size=None` all are,
    for evaluation only. The choice depends on the pictures' content alone, not on the file names.

    A share of `nondigits` of the training split is added to it as images of the class "none", for which the folder
    needs no pictures; nothing is added if any other class is not a digit. They follow from the digits and `split_seed`.

    After `setup`, `files` holds for each split the paths below `root` of the images in its tensor, but not of generated
    ones.
    """

    files: dict[str, tuple[str, ...]]

    def __init__(
        self,
        name: str,
        root: str,
        mean: float,
        std: float,
        num_classes: int,
        nondigits: float,
        image_size: int,
        val_size: int,
        split_seed: int,
        test_size: int | None,
        test_seed: int,
        limit: int | None,
        batch_size: int,
        eval_batch_size: int,
        seed: int = 0,
        augment: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(
            name, root, None, mean, std, num_classes, image_size, val_size, split_seed, limit, batch_size,
            eval_batch_size, seed, augment,
        )  # fmt: skip
        self.nondigits, self.test_size, self.test_seed = nondigits, test_size, test_seed

    def read(self) -> Arrays:
        """The pictures as patches, read once per process however many jobs of a sweep use them."""
        train, test, classes, checksums = read_folder(self.root, self.test_size, self.test_seed)
        if len(train.labels) - self.val_size < len(classes):
            raise DataError(
                f"data.val_size is {self.val_size}, but {shown(self.root)} holds {len(train.labels)} pictures to train "
                "on and validate on, where copies count once; add some, or set it lower"
            )
        self.files = {"train": train.files, "val": train.files, "test": test.files}
        if self.nondigits and NONE not in classes:
            classes = (*classes, NONE)
        return Arrays(train.patches, train.labels, test.patches, test.labels, classes, checksums)

    def setup(self, stage: str | None = None) -> None:
        """Make the splits, then add the generated images to the training split."""
        if hasattr(self, "train"):
            return
        super().setup(stage)
        if not self.nondigits:
            return
        if strange := [name for name in self.classes if name not in (*DIGITS, NONE)]:
            why = "a generated non-digit might show one of them"
            log.info('no images are generated for the class "%s" beside %s: %s', NONE, few(strange), why)
            return
        self.train = self._with_nondigits(self.train, mix(self.split_seed, 0))

    def _with_nondigits(self, split: Split, seed: int) -> Split:
        """A split plus non-digits generated from its digits, at most `limit` rows."""
        from digits.data.synthetic.nondigits import make_nondigits

        none, random = self.classes.index(NONE), np.random.RandomState(seed % 2**32)
        values = np.array([-1 if name == NONE else int(name) for name in self.classes])[split.truth().numpy()]
        digits = values >= 0
        number = round(self.nondigits * len(split)) if digits.any() else 0
        made = torch.from_numpy(make_nondigits(split.pixels().numpy()[digits], values[digits], number, random))
        log.info('for the class "%s" %s images of non-digits are generated', NONE, f"{number:,}")
        rows = torch.cat([split.rows, torch.arange(number) + len(split.labels)])
        return Split(
            torch.cat([split.images, made]),
            torch.cat([split.labels, torch.full((number,), none)]),
            rows[torch.from_numpy(random.permutation(len(rows)))][: self.limit],
        )


class Folder(NamedTuple):
    """A folder's pictures, split."""

    train: Pictures
    test: Pictures
    classes: tuple[str, ...]
    checksums: dict[str, str]  # of each part of each class: SHA-256 over those of its files, sorted


@lru_cache(maxsize=2)
def read_folder(root: str, test_size: int | None, test_seed: int) -> Folder:
    """The pictures of a folder of classes, laid out as `digits.data.class_folders` says.

    Raises DataError with a line for every picture that can't be used, or for every fault of the folder.
    """
    folder = Path(root).expanduser()
    try:
        found = find_pictures(folder)
    except FolderError as error:
        raise DataError(str(error)) from None
    parts = [found.test or {}, found.train]  # the test first: a picture in both is not trained on
    listed = [
        (path, label) for part in parts for label, name in enumerate(found.classes) for path in part.get(name, [])
    ]
    pictures = read_pictures(listed, folder)
    rows = np.arange(len(pictures.labels))
    if found.test is not None:
        held = rows[[name.startswith("test/") for name in pictures.files]]
    else:
        held = rows if test_size is None else held_out(pictures.labels, test_size, test_seed)
    train = pictures.at(rows if len(held) == len(rows) else np.setdiff1d(rows, held))
    test = pictures.at(np.random.RandomState(test_seed).permutation(held))  # data.limit takes the first of them
    if gone := [name for label, name in enumerate(found.classes) if label not in train.labels]:
        raise DataError(f"every picture of {few(gone)} in {shown(folder / 'train')} is in test/ too; add others")
    checksums = {
        f"{part}/{name}": _checksum(some, label)
        for part, some in (("train", train), ("test", test))
        for label, name in enumerate(found.classes)
    }
    return Folder(train, test, found.classes, checksums)


def held_out(labels: Rows, number: int, seed: int) -> Rows:
    """Rows of the test split, `number` in all: each class in proportion, but at least one.

    `stratified_split` may give a rare class none, and a class that is never tested has no accuracy.
    Raises DataError where a class would have nothing left to train on.
    """
    random = np.random.RandomState(seed)  # its stream is frozen by numpy's compatibility policy
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2 or not len(classes) <= number <= len(labels) - len(classes):
        raise DataError(
            f"data.test_size is {number}: with {len(labels)} pictures (copies count once) of {len(classes)} classes "
            "that does not leave each class one to test and one to train on; add pictures, or set another number"
        )
    exact = counts * number / len(labels)
    shares = np.clip(np.floor(exact).astype(int), 1, counts - 1)
    while missing := number - int(shares.sum()):
        step = 1 if missing > 0 else -1
        possible = (shares + step >= 1) & (shares + step < counts)
        shares[np.argmax(np.where(possible, (exact - shares) * step, -np.inf))] += step
    kept = [random.permutation(np.flatnonzero(labels == c))[:n] for c, n in zip(classes, shares, strict=True)]
    return np.concatenate(kept).astype(np.int64)


def _checksum(pictures: Pictures, label: int) -> str:
    digests = [digest for digest, of in zip(pictures.digests, pictures.labels.tolist(), strict=True) if of == label]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
