"""The DataModule of composed pages: a detector is trained on crops of them, and evaluated on whole ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from typing_extensions import override

from digits.config.faults import ConfigError, Fault
from digits.data.base import SplitsDataModule
from digits.data.datasets import DIGITS, Arrays, read_dataset
from digits.data.pages.composing import Composing
from digits.data.pages.rows import PageBatch, PageRows


class PagesDataModule(SplitsDataModule[PageBatch]):
    """Pages composed of MNIST's training digits; those of its test split are never used.

    Of the training digits `val_size` are kept by `split_seed`, as for `data=mnist`: pages for validation are composed
    of one half of them, test pages of the other, and training pages of the rest. An epoch has `crops` crops of each of
    `pages` pages, of `image_size` pixels; no two epochs have the same crops.

    The pages are composed once, on all cores, and lie in the folder `cache`. They depend on `pages_seed` and, with
    `material`, on that folder's content: handwriting fonts, in which some digits, letters and words of the training
    pages are written, and pictures without digits. Validation and test pages use no material.

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

    @override
    def prepare_data(self) -> None:
        """Fetch MNIST and compose missing pages; none is read."""
        for name, number in self.numbers.items():
            self.composing.compose(self._arrays(), self.val_size, self.split_seed, name, number)

    @override
    def setup(self, stage: str | None = None) -> None:
        if hasattr(self, "train"):
            return
        arrays = self._arrays()
        self.checksums = arrays.checksums | self.composing.checksum(arrays, self.val_size, self.split_seed)
        self.train, self.val, self.test = map(self.split, self.numbers)

    def split(self, name: str) -> PageRows:
        """A split by name: train, val or test. Only its own missing pages are composed; `setup` calls it for all three.

        Raises DataError when MNIST can't be fetched, the material's folder is missing, or the cache is damaged or can't
        be written.
        """
        training = name == "train"
        pages = self.composing.pages(self._arrays(), self.val_size, self.split_seed, name, self.numbers[name])
        return PageRows(pages, self.image_size, self.crops if training else 1, whole=not training)

    def _arrays(self) -> Arrays:
        return read_dataset("mnist", self.root, None if self.mirrors is None else tuple(self.mirrors))
