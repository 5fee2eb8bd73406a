"""The DataModule of composed pages: a detector is trained on crops of them, and judged by whole ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from digits.config.faults import ConfigError, Fault
from digits.data.base import SplitsDataModule
from digits.data.datasets import DIGITS, Arrays, read_dataset
from digits.data.pages.composing import Composing
from digits.data.pages.rows import PageBatch, PageRows


class PagesDataModule(SplitsDataModule[PageBatch]):
    """Pages that are composed of MNIST's training digits; those of its test split are never touched.

    Of the training digits `val_size` are kept by `split_seed`, as for `data=mnist`: pages for validation are composed
    of one half of them, pages for the test of the other, and pages to train on of the rest. An epoch has `crops` crops
    of each of `pages` pages, of `image_size` pixels; no two epochs have the same.

    The pages are composed once, by every core, and lie in the folder `cache`. They follow from `pages_seed` and, with
    `material`, from what is in that folder: handwriting fonts, in which some digits, letters and words of the training
    pages are written, and pictures without digits. Pages for validation and the test have none of it.

    Raises ConfigError for transforms of the group `augment`, which would leave the boxes behind.
    """

    train: PageRows
    val: PageRows | None
    test: PageRows

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
        pages: int,
        val_pages: int,
        test_pages: int,
        crops: int,
        pages_seed: int,
        material: str | None,
        cache: str,
        seed: int = 0,
        augment: Sequence[nn.Module] = (),
    ) -> None:
        if augment:
            why = "would move the digits of a page away from their boxes; take augment=none"
            raise ConfigError(Fault("augment", why))
        super().__init__(name, mean, std, num_classes, image_size, val_size, batch_size, eval_batch_size, seed, augment)
        self.root, self.mirrors = root, mirrors
        self.split_seed, self.limit = split_seed, limit
        self.numbers = {"train": pages, "val": val_pages, "test": test_pages}
        if limit is not None:
            self.numbers = {split: min(number, limit) for split, number in self.numbers.items()}
        self.crops, self.composing = crops, Composing(pages_seed, material, cache)
        self.classes = DIGITS

    def prepare_data(self) -> None:
        """Fetch MNIST and compose the pages, if need be, and read none; Lightning calls this in one process only."""
        for name, number in self.numbers.items():
            self.composing.compose(self._arrays(), self.val_size, self.split_seed, name, number)

    def setup(self, stage: str | None = None) -> None:
        """Make the splits."""
        if hasattr(self, "train"):
            return
        arrays = self._arrays()
        self.checksums = arrays.checksums | self.composing.checksum(arrays, self.val_size, self.split_seed)
        self.train, self.val, self.test = map(self.split, self.numbers)

    def split(self, name: str) -> PageRows:
        """A split by name: train, val or test. Its pages are composed if need be, and no others; `setup` does it too.

        Raises DataError when MNIST can't be had, there is no folder of that name, or the cache is damaged or can't be
        written.
        """
        training = name == "train"
        pages = self.composing.pages(self._arrays(), self.val_size, self.split_seed, name, self.numbers[name])
        return PageRows(pages, self.image_size, self.crops if training else 1, whole=not training)

    def _arrays(self) -> Arrays:
        return read_dataset("mnist", self.root, None if self.mirrors is None else tuple(self.mirrors))
