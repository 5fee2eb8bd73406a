"""The DataModule: download, splits, transforms and batches of one data set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from typing_extensions import override

from digits.data.base import SplitsDataModule
from digits.data.datasets import Arrays, fault_in, read_dataset
from digits.data.loader import Batch, Split
from digits.data.split import stratified_split


class MNISTDataModule(SplitsDataModule[Batch]):
    """MNIST, and any data set that comes as arrays of square grey images.

    The official test images are the test split, never anything else. The official training images are split into
    `train` and a class-stratified `val` of `val_size` by `split_seed`; with `val_size=0` there is no validation. A
    subclass with its own data set overrides `read`.

    After `setup`: `train`, `val` (None with val_size=0) and `test` splits, `classes`, `checksums`.
    Raises DataError when the data can't be fetched or read, ValueError when they don't fit the configuration.
    """

    train: Split
    val: Split | None
    test: Split

    def __init__(
        self,
        name: str,
        root: str,
        mirrors: list[str] | None,
        mean: float,
        std: float,
        num_classes: int,
        image_size: int,
        val_size: int,
        split_seed: int,
        limit: int | None,
        batch_size: int,
        eval_batch_size: int,
        seed: int = 0,
        augment: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(name, mean, std, num_classes, image_size, val_size, batch_size, eval_batch_size, seed, augment)
        self.root, self.mirrors = root, mirrors
        self.split_seed, self.limit = split_seed, limit

    def read(self) -> Arrays:
        """The data set with its official splits; fetched if needed."""
        return read_dataset(self.name, self.root, None if self.mirrors is None else tuple(self.mirrors))

    @override
    def prepare_data(self) -> None:
        self.read()

    @override
    def setup(self, stage: str | None = None) -> None:
        if hasattr(self, "train"):
            return
        arrays = self.read()
        if fault := fault_in(arrays):
            raise ValueError(f"{self.name} can't be used: {fault}; correct what {type(self).__name__}.read returns")
        side = arrays.train_images.shape[1:]
        if side != (self.image_size, self.image_size) or len(arrays.classes) != self.num_classes:
            raise ValueError(
                f"{self.name} has {len(arrays.classes)} classes of {side[0]}x{side[1]} pixels; "
                f"set data.num_classes={len(arrays.classes)} data.image_size={side[0]}"
            )
        self.classes, self.checksums = arrays.classes, arrays.checksums
        train, val = stratified_split(arrays.train_labels, self.val_size, self.split_seed)
        images, labels = torch.from_numpy(arrays.train_images), torch.from_numpy(arrays.train_labels)
        self.train = Split(images, labels, torch.from_numpy(train)[: self.limit])
        self.val = Split(images, labels, torch.from_numpy(val)[: self.limit]) if self.val_size else None
        tests = len(arrays.test_labels)
        self.test = Split(
            torch.from_numpy(arrays.test_images),
            torch.from_numpy(arrays.test_labels),
            torch.arange(tests)[: self.limit],
        )

    def split(self, name: str) -> Split:
        """A split by name: train, val or test. Raises ValueError when there is no validation split."""
        split = {"train": self.train, "val": self.val, "test": self.test}[name]
        if split is None:
            raise ValueError("there is no validation split: data.val_size is 0")
        return split
