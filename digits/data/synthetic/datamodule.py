"""The training data of the reader's classifier: MNIST, styles that MNIST lacks, and non-digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from digits.data.datamodule import MNISTDataModule
from digits.data.datasets import NONE
from digits.data.loader import Split, mix
from digits.data.pages.composing import Composing
from digits.data.pages.page import Composed


class ReaderDataModule(MNISTDataModule):
    """MNIST, with generated images added to the training and the validation split: eleven classes, the last "none".

    Added as shares of a split's size: `drawn` digits in many styles, `altered` digits of the split's own (crossed,
    slashed, with flags, feet, specks and ruled lines) and `nondigits`; and patches cut out of composed `pages`, so many
    for each thousand of its images: digits, letters and boxes that fit neither (`pages_seed`, `material` and `cache` as
    for `data=pages`). No image of one split is used for the other. The test split is MNIST's own, unchanged. The
    generated images are a function of `split_seed`.

    `setup` follows Lightning's stages: it generates nothing for "test", and for "validate" the validation split only.
    """

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
        drawn: float,
        altered: float,
        nondigits: float,
        pages: int = 0,
        pages_seed: int = 0,
        material: str | None = None,
        cache: str = "data/pages",
        seed: int = 0,
        augment: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(
            name, root, mirrors, mean, std, num_classes, image_size, val_size, split_seed, limit, batch_size,
            eval_batch_size, seed, augment,
        )  # fmt: skip
        self.drawn, self.altered, self.nondigits = drawn, altered, nondigits
        self.pages, self.composing = pages, Composing(pages_seed, material, cache)
        self._made = set[str]()  # splits to which generated images were added

    def setup(self, stage: str | None = None) -> None:
        """Make the splits, then add generated images to those of the stage, which takes seconds; each split once."""
        super().setup(stage)
        if stage not in ("validate", "test") and "train" not in self._made:
            self.train = self._enlarged(self.train, self._pages("train", self.train), mix(self.split_seed, 0))
            if self.pages:
                self.checksums = self.checksums | self.composing.checksum(self.read(), self.val_size, self.split_seed)
            self._made.add("train")
        if stage != "test" and self.val is not None and "val" not in self._made:
            self.val = self._enlarged(self.val, self._pages("val", self.val), mix(self.split_seed, 1))
            self._made.add("val")

    def _pages(self, name: str, split: Split) -> Sequence[Composed]:
        number = self.pages * len(split) // 1000
        return self.composing.pages(self.read(), self.val_size, self.split_seed, name, number) if number else []

    def _enlarged(self, split: Split, pages: Sequence[Composed], seed: int) -> Split:
        """The split plus the images generated from it, shuffled, at most `limit` rows."""
        from digits.data.pages.patches import NO_DIGIT, cut_patches
        from digits.data.synthetic.alter import alter
        from digits.data.synthetic.draw import draw_digits
        from digits.data.synthetic.nondigits import make_nondigits

        random = np.random.RandomState(seed % 2**32)
        images, labels = split.pixels().numpy(), split.truth().numpy()
        number = len(labels)
        drawn, drawn_labels = draw_digits(round(self.drawn * number), random)
        chosen = random.randint(number, size=round(self.altered * number))
        altered = alter(images[chosen], labels[chosen], random)
        digits, digit_labels = np.concatenate([images, drawn]), np.concatenate([labels, drawn_labels])
        none = make_nondigits(digits, digit_labels, round(self.nondigits * number), random)
        nothing = self.classes.index(NONE)
        cut = cut_patches(pages, np.random.default_rng(seed))
        cut_labels = np.where(cut.labels == NO_DIGIT, nothing, cut.labels)
        all_images = np.concatenate([digits, altered, none, cut.images])
        all_labels = np.concatenate([digit_labels, labels[chosen], np.full(len(none), nothing), cut_labels])
        rows = random.permutation(len(all_labels))[: self.limit]
        return Split(torch.from_numpy(all_images), torch.from_numpy(all_labels), torch.from_numpy(rows))
