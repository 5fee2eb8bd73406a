"""The pages of each split: which of MNIST's training digits they are composed of, and where they are cached."""

from __future__ import annotations

from pathlib import Path

from digits.data.datasets import Arrays, DataError
from digits.data.pages.cache import Digits, Work, compose_missing, shards_of, work_of
from digits.data.pages.shards import KeptPages
from digits.data.split import stratified_split

COMPOSED = "composed pages"  # the name of the training pages' hash among the checksums


class Composing:
    """The settings that a data set's pages depend on beside its digits, and their cache, as in a configuration.

    The folder of material, fonts and pictures, is used for training pages only, never for validation and test pages:
    evaluating a run does not need it.
    """

    def __init__(self, seed: int, material: str | None, cache: str) -> None:
        self.seed, self.cache = seed, Path(cache).expanduser()
        self.material = None if material is None else Path(material).expanduser()
        self._works: dict[tuple[int, int, str], Work] = {}

    def compose(self, arrays: Arrays, val_size: int, split_seed: int, name: str, number: int) -> None:
        """Compose those of `number` pages of a split (train, val or test) that are not cached.

        Raises DataError when the material's folder is missing, the cache can't be written, or the digits are too few.
        """
        work = self._work(arrays, val_size, split_seed, name)
        try:
            compose_missing(work, number, lambda: digits_of(arrays, val_size, split_seed, name))
        except OSError as error:
            why = f"pages can't be kept in {self.cache}: {error}; choose another folder with data.cache=DIR"
            raise DataError(why) from None

    def pages(self, arrays: Arrays, val_size: int, split_seed: int, name: str, number: int) -> KeptPages:
        """The same pages, composed and then read; raises DataError also where the cache is damaged."""
        self.compose(arrays, val_size, split_seed, name, number)
        return KeptPages(self._work(arrays, val_size, split_seed, name).folder, shards_of(number))

    def checksum(self, arrays: Arrays, val_size: int, split_seed: int) -> dict[str, str]:
        """The entry of the training pages among a run's checksums."""
        return {COMPOSED: self._work(arrays, val_size, split_seed, "train").origin}

    def _work(self, arrays: Arrays, val_size: int, split_seed: int, name: str) -> Work:
        """The pages of a split; hashing their inputs takes a second, so it is done once."""
        key = (val_size, split_seed, name)
        if key not in self._works:
            material = self.material if name == "train" else None
            if material is not None and not material.is_dir():
                raise DataError(f"there is no folder {material}; data.material=null composes without it")
            digits = digits_of(arrays, val_size, split_seed, name)
            self._works[key] = work_of(self.cache, name, self.seed, digits, material)
        return self._works[key]


def digits_of(arrays: Arrays, val_size: int, split_seed: int, name: str) -> Digits:
    """The digits that are written on the pages of a split.

    One half of the training digits that are kept for validation is for `val`, the other half for `test`; MNIST's own
    test digits are on no page.
    """
    labels = arrays.train_labels
    train, kept = stratified_split(labels, val_size, split_seed)
    rows = train
    if name != "train":
        test, val = stratified_split(labels[kept], len(kept) // 2, split_seed)
        rows = kept[{"val": val, "test": test}[name]]
    return Digits(arrays.train_images[rows], labels[rows])
