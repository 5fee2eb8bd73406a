"""Pages as a split: batches of crops to train on, with whole pages for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from digits.data.loader import mix
from digits.data.pages.page import Composed

NO_BOX = -2  # the label of padding, where a crop has fewer digits than another of its batch


class PageBatch(NamedTuple):
    """The input of one step."""

    images: Tensor  # uint8 (B, 1, S, S): crops; float32 0..1 after the DataModule's transforms
    boxes: Tensor  # float32 (B, M, 4): centre x, centre y, width, height in pixels
    labels: Tensor  # int64 (B, M): 0..9, UNCLEAR or NO_BOX
    indices: Tensor  # int64 (B,): rows of the split
    seed: int
    pages: tuple[Composed, ...]  # the whole pages, one for each crop; empty in training


class PageRows:
    """Crops of pages; each page has `crops` rows.

    A crop is a function of the batch's seed and its row. With `whole` a batch contains the pages themselves too.
    """

    def __init__(self, pages: Sequence[Composed], side: int, crops: int = 1, *, whole: bool = False) -> None:
        self.pages, self.side, self.crops, self.whole = pages, side, crops, whole
        self.rows = torch.arange(len(pages) * crops)

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> PageRows:
        """Itself: batches are cut on the CPU and then moved."""
        return self

    def batch(self, rows: Tensor, seed: int) -> PageBatch:
        """A crop for each row."""
        from digits.data.pages.crops import random_crop  # and OpenCV, which other data don't need

        pages = [self.pages[row // self.crops] for row in rows.tolist()]
        made = [
            random_crop(page, self.side, np.random.default_rng(mix(seed, row)))
            for page, row in zip(pages, rows.tolist(), strict=True)
        ]
        most = max((len(labels) for _, _, labels in made), default=0) or 1
        boxes = np.ones((len(made), most, 4), np.float32)
        labels = np.full((len(made), most), NO_BOX, np.int64)
        for i, (_, own_boxes, own_labels) in enumerate(made):
            boxes[i, : len(own_boxes)], labels[i, : len(own_labels)] = own_boxes, own_labels
        images = np.empty((len(made), 1, self.side, self.side), np.uint8)
        for i, (pixels, _, _) in enumerate(made):
            images[i, 0] = pixels
        whole = tuple(pages) if self.whole else ()
        return PageBatch(torch.from_numpy(images), torch.from_numpy(boxes), torch.from_numpy(labels), rows, seed, whole)
