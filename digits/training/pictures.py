"""A classifier in plots: its input and its mistakes; in TensorBoard also its graph and its embeddings."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from copy import deepcopy

import lightning as L
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from digits.data import BatchLoader, MNISTDataModule, Split
from digits.evaluating import figures
from digits.evaluating.predictions import Predictions, predict
from digits.evaluating.scores import score
from digits.training.loggers.service import Picture

log = logging.getLogger(__name__)

SHOWN_INPUTS = 32
PROJECTED = 1000  # images in the projector: its sprite may be 8192 pixels wide, and its t-SNE is slow beyond this


def show_input(writers: Sequence[SummaryWriter], net: nn.Module, data: L.LightningDataModule) -> dict[str, Picture]:
    """The first images of the first training batch; to TensorBoard, the net as a graph."""
    if not isinstance(data, MNISTDataModule):
        return {}
    images, labels = _first_batch(data)
    for writer in writers:
        add_graph(writer, net, images[:1])
    return {"train/input": pixels(figures.card_png(figures.batch(images, labels, data.classes)))}


def show(
    writers: Sequence[SummaryWriter], stage: str, net: nn.Module, data: L.LightningDataModule, step: int, views: int = 1
) -> dict[str, Picture]:
    """Plots of a net's predictions for the stage's split; to TensorBoard, a precision-recall curve per class.

    The split is `test` in the stage of that name, else the validation split; `views` of each image are averaged.
    """
    if not isinstance(data, MNISTDataModule):
        return {}
    split = data.test if stage == "test" else data.val
    if split is None:
        return {}
    predictions = predict(net, split, data.normalise, data.eval_batch_size, views=views, embed=stage == "best")
    scores = score(predictions, data.classes)
    plots = figures.pictures(predictions, scores, split, data.classes, card=True)
    drawn = {f"{stage}/{name}": pixels(figures.card_png(figure)) for name, figure in plots.items()}
    for writer in writers:
        for i, name in enumerate(data.classes):
            is_class, probability = predictions.labels == i, predictions.probabilities[:, i]
            writer.add_pr_curve(f"{stage}/precision_recall/{name}", is_class, probability, step)
        if predictions.embeddings is not None:
            _add_embeddings(writer, predictions, split, data.classes)
    return drawn


def pixels(png: bytes) -> Picture:
    """A PNG file's content as an image, uint8 (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _first_batch(data: MNISTDataModule) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images of the first training batch, augmented and normalised, float (B, 1, H, W); labels int64 (B,)."""
    batch = next(iter(BatchLoader(data.train, data.batch_size, data.seed)))
    torch.manual_seed(batch.seed)
    images = data.normalise(deepcopy(data.augment)(batch.images))
    return images[:SHOWN_INPUTS], batch.labels[:SHOWN_INPUTS]


def add_graph(writer: SummaryWriter, net: nn.Module, sample: torch.Tensor) -> None:
    """Add the net as a graph, if it can be traced."""
    copy = deepcopy(net).cpu().float().eval()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # the writer prints what it raises
        warnings.simplefilter("ignore")
        try:
            writer.add_graph(copy, sample.float())
        except Exception as error:  # tracing a user's net can raise anything, which must not end the run
            log.debug("no graph of the net in TensorBoard: %s", error)


def _add_embeddings(writer: SummaryWriter, predictions: Predictions, split: Split, classes: tuple[str, ...]) -> None:
    """Add the last layer's input for up to 1,000 images to the projector, with image, label and prediction of each."""
    assert predictions.embeddings is not None
    predicted, labels, rows = (
        t[:PROJECTED].tolist() for t in (predictions.guesses, predictions.labels, predictions.rows)
    )
    metadata = [
        [classes[label] + f" read as {classes[found]}" * (label != found), classes[label], classes[found], f"{row}"]
        for label, found, row in zip(labels, predicted, rows, strict=True)
    ]
    images = 1 - split.pixels()[:PROJECTED].cpu().unsqueeze(1).float() / 255  # (N, 1, H, W): ink on paper
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a warning when a resumed run has the folder already
        writer.add_embedding(
            predictions.embeddings[:PROJECTED],
            metadata,
            images.expand(-1, 3, -1, -1),
            global_step="projector",  # names the folder
            tag="best",
            metadata_header=["result", "label", "predicted", "index"],
        )
