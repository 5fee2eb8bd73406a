"""The DataModule: download, splits, transforms and batches of one data set."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
import torch
from torch import Tensor, nn

from digits.data.datasets import Arrays, fault_in, read_dataset
from digits.data.loader import Batch, BatchLoader, Split
from digits.data.normalise import Normalise
from digits.data.split import stratified_split


class MNISTDataModule(L.LightningDataModule):
    """MNIST, and any set that comes as arrays of square grey pictures.

    The official test images are the test split, never anything else. The official training images are
    parted into `train` and a class-stratified `val` of `val_size` by `split_seed`; with `val_size=0` there
    is no validation. A subclass that overrides `read` brings a data set of its own.

    After `setup`: `train`, `val` (None with val_size=0) and `test` splits, `classes`, `checksums`.
    Raises DataError when the data can't be had, ValueError when they don't fit the configuration.
    """

    train: Split
    val: Split | None
    test: Split
    classes: tuple[str, ...]
    checksums: dict[str, str]

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
        super().__init__()
        self.name, self.root, self.mirrors = name, root, mirrors
        self.mean, self.std = mean, std
        self.num_classes, self.image_size = num_classes, image_size
        self.val_size, self.split_seed, self.limit = val_size, split_seed, limit
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.seed = seed
        self.augment, self.normalise = nn.Sequential(*augment), Normalise(mean, std)

    def read(self) -> Arrays:
        """The data set as its makers split it; fetched if need be."""
        return read_dataset(self.name, self.root, None if self.mirrors is None else tuple(self.mirrors))

    def prepare_data(self) -> None:
        """Fetch the files; Lightning calls this in one process only."""
        self.read()

    def setup(self, stage: str | None = None) -> None:
        """Make the splits."""
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
        """A split by name: train, val or test. Raises ValueError when the run kept no validation images."""
        split = {"train": self.train, "val": self.val, "test": self.test}[name]
        if split is None:
            raise ValueError("there is no validation split: data.val_size is 0")
        return split

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of this process's share; with trainer.overfit_batches the same ones every epoch."""
        loader = self._loader(self.train, self.batch_size, self.seed)
        if self.trainer is not None:
            loader.limit = self.trainer.limit_train_batches  # overfit_batches is one too
            if getattr(self.trainer, "overfit_batches", 0):
                del loader.sampler  # so nobody calls set_epoch; Lightning can fix the order of its own loaders only
        return loader

    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        """Batches in order; nothing when every image is trained on."""
        return self._loader(self.val, self.eval_batch_size) if self.val else []

    def test_dataloader(self) -> BatchLoader:
        """Batches in order."""
        return self._loader(self.test, self.eval_batch_size)

    def _loader(self, split: Split, batch_size: int, seed: int | None = None) -> BatchLoader:
        trainer = self.trainer
        if trainer is None:
            return BatchLoader(split, batch_size, seed)
        device = trainer.strategy.root_device
        if device.type != "cpu":
            split = split.to(device)  # the whole set is 47 MB: batches are made where they are used
        return BatchLoader(split, batch_size, seed, trainer.global_rank, trainer.world_size)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment training batches, normalise all, on the device.

        The step's seed is set here, so that augmentation and the dropout that follows draw from it.
        """
        images: Tensor = batch.images
        if self.trainer is not None and self.trainer.training:
            seed_step(batch.seed, images.device)
            images = self.augment(images)
        images = self.normalise(images)
        if self.trainer is not None:  # Lightning gave the batch its precision while it was still whole numbers
            images = self.trainer.precision_plugin.convert_input(images)
        return batch._replace(images=images)


def seed_step(seed: int, device: torch.device) -> None:
    """Make what is drawn next on a device follow from a seed.

    `torch.manual_seed` would seed every kind of device there might be, and keep a stack trace of each call until that
    device is used: 1 ms a step, and a leak, on a machine without one.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
