"""A page detector in TensorBoard: its training crops, pages with its finds, and the worst pages."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from digits.data import BatchLoader, PagesDataModule
from digits.data.pages.rows import NO_BOX
from digits.evaluating import page_figures
from digits.evaluating.page_figures import COLUMNS, SHOWN, labelled, side_by_side
from digits.evaluating.pages import find_on_pages
from digits.training.pictures import add_graph

CROPS = 24  # that are shown
LOOKED_THROUGH = 100  # validation pages that are read for the worst ones during training; at its end all are


def show_input(writers: Sequence[SummaryWriter], net: nn.Module, data: L.LightningDataModule) -> None:
    """Show the first training crops, some whole pages, and the net as a graph."""
    if not isinstance(data, PagesDataModule):
        return
    batch = next(iter(BatchLoader(data.train, data.batch_size, data.seed)))
    crops = []
    for pixels, boxes, labels in zip(batch.images[:CROPS, 0], batch.boxes.numpy(), batch.labels.numpy(), strict=False):
        there = labels > NO_BOX
        crops.append(labelled(pixels.numpy(), boxes[there], labels[there]))
    pages = [labelled(page.pixels, page.boxes, page.labels) for page in data.train.pages[:SHOWN]]
    for writer in writers:
        writer.add_image("train/crops", side_by_side(crops, 8), 0, dataformats="HWC")
        writer.add_image("train/pages", side_by_side(pages, COLUMNS), 0, dataformats="HWC")
        add_graph(writer, net, data.normalise(batch.images[:1]))


def show(writers: Sequence[SummaryWriter], stage: str, net: nn.Module, data: L.LightningDataModule, step: int) -> None:
    """Show pages of the validation split with the digits found on them, and those with the most faults."""
    if not isinstance(data, PagesDataModule) or data.val is None:
        return
    scores = find_on_pages(net, data.val.pages[: None if stage == "best" else LOOKED_THROUGH])
    for name, picture in page_figures.pictures(scores).items():
        for writer in writers:
            writer.add_image(f"{stage}/{name}", picture, step, dataformats="HWC")
