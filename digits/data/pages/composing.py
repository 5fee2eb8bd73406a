"""The pages of each split: of which of MNIST's training digits they are composed, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digits.data.datasets import Arrays, DataError
from digits.data.pages.cache import Digits, cached_pages, digest_of, digest_of_pages
from digits.data.pages.page import Composed
from digits.data.split import stratified_split


@dataclass(frozen=True)
class Composing:
    """What pages follow from, beside the digits, and where they are kept; as in a configuration."""

    seed: int
    fonts: str | None
    cache: str

    def pages(self, arrays: Arrays, val_size: int, split_seed: int, name: str, number: int) -> list[Composed]:
        """`number` pages of a split, train, val or test, composed as far as they are not kept.

        Raises DataError when there is no folder of fonts, or the cache can't be written.
        """
        digits, fonts = digits_of(arrays, val_size, split_seed, name), self._fonts()
        try:
            return cached_pages(Path(self.cache).expanduser(), name, number, self.seed, digits, fonts)
        except OSError as error:
            why = f"pages can't be kept in {self.cache}: {error}; choose another folder with data.cache=DIR"
            raise DataError(why) from None

    def digest(self, arrays: Arrays, val_size: int, split_seed: int, name: str) -> str:
        """A name for what the pages of a split follow from, the composer's own source included."""
        drawn = digest_of(digits_of(arrays, val_size, split_seed, name))
        return digest_of_pages(drawn, name, self.seed, self._fonts())

    def _fonts(self) -> Path | None:
        fonts = None if self.fonts is None else Path(self.fonts).expanduser()
        if fonts is not None and not fonts.is_dir():
            raise DataError(f"there is no folder of fonts {fonts}; with data.fonts=null it is done without")
        return fonts


def digits_of(arrays: Arrays, val_size: int, split_seed: int, name: str) -> Digits:
    """What may be written on the pages of a split.

    Of the training digits that are kept for validation one half is for `val`, the other for `test`; MNIST's own test
    digits are on no page.
    """
    labels = arrays.train_labels
    train, kept = stratified_split(labels, val_size, split_seed)
    test, val = stratified_split(labels[kept], len(kept) // 2, split_seed)
    rows = {"train": train, "val": kept[val], "test": kept[test]}[name]
    return Digits(arrays.train_images[rows], labels[rows])
