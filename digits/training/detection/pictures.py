"""A page detector in plots: its training crops, pages with its finds, and the worst pages."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from digits.data import BatchLoader, PagesDataModule
from digits.data.pages.rows import NO_BOX
from digits.evaluating import page_figures
from digits.evaluating.page_figures import CARD_COLUMNS, CARD_SHOWN, card_side, labelled, side_by_side
from digits.evaluating.pages import find_on_pages
from digits.training.loggers.service import Picture
from digits.training.pictures import add_graph

CROPS, CROP_COLUMNS = 16, 4  # that are shown, in all and per row
LOOKED_THROUGH = 100  # pages that are read for the worst ones; all of the validation split at the end of training


def show_input(writers: Sequence[SummaryWriter], net: nn.Module, data: L.LightningDataModule) -> dict[str, Picture]:
    """The first training crops and some whole pages; to TensorBoard, the net as a graph."""
    if not isinstance(data, PagesDataModule):
        return {}
    batch = next(iter(BatchLoader(data.train, data.batch_size, data.seed)))
    crops = []
    for pixels, boxes, labels in zip(batch.images[:CROPS, 0], batch.boxes.numpy(), batch.labels.numpy(), strict=False):
        there = labels > NO_BOX
        crops.append(labelled(pixels.numpy(), boxes[there], labels[there], card_side(CROP_COLUMNS)))
    side = card_side(CARD_COLUMNS)
    pages = [labelled(page.pixels, page.boxes, page.labels, side) for page in data.train.pages[:CARD_SHOWN]]
    for writer in writers:
        add_graph(writer, net, data.normalise(batch.images[:1]))
    return {"train/crops": side_by_side(crops, CROP_COLUMNS), "train/pages": side_by_side(pages, CARD_COLUMNS)}


def show(stage: str, net: nn.Module, data: L.LightningDataModule) -> dict[str, Picture]:
    """Pages of the stage's split with the digits found on them, and those with the most faults.

    The split is `test` in the stage of that name, else the validation split. The test has read its pages just before,
    which takes most of a minute: some of them are read again, all by `digits.evaluate`.
    """
    if not isinstance(data, PagesDataModule):
        return {}
    split = data.test if stage == "test" else data.val
    if split is None:
        return {}
    scores = find_on_pages(net, split.pages[: None if stage == "best" else LOOKED_THROUGH])
    return {f"{stage}/{name}": picture for name, picture in page_figures.pictures(scores, card=True).items()}
