"""What TensorBoard shows beyond curves: the configuration, the net, its input, its mistakes, and a row in HPARAMS."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import lightning as L
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.seed import isolate_rng
from PIL import Image
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from digits.config.types import Tree
from digits.data import BatchLoader, MNISTDataModule, Split
from digits.evaluating import figures
from digits.evaluating.predictions import Predictions, predict
from digits.evaluating.scores import score
from digits.runs.read import peek
from digits.runs.weights import load_weights
from digits.training.callbacks import Pulse
from digits.training.hparams import add_row, hyperparameters, of_trial
from digits.training.module import Classifier
from digits.training.pruning import Pruned

log = logging.getLogger(__name__)

LAYOUT = {
    "curves": {
        "loss": ["Multiline", ["^train/loss$", "^val/loss$"]],
        "accuracy": ["Multiline", ["^train/accuracy$", "^val/accuracy$"]],
    }
}
"""The charts under CUSTOM SCALARS; its tags are regular expressions."""

ORIGIN = ("overrides", "versions", "commit", "hardware", "device", "data")
"""What of the record, with the configuration, is needed to do a run again."""

SHOWN_INPUTS = 32
PROJECTED = 1000
"""Images in the projector; its sprite may be 8192 pixels wide, and t-SNE in a browser is slow beyond this."""


class Dashboard(Callback):
    """Writes pictures to TensorBoard at the start, after every `every_n_epochs` epochs (0: never) and at the end.

    At the end they show the weights that are kept, those of the best epoch, under `best/`; before, the
    current ones under `val/`. Steps cost nothing, and the weights are the same to the bit without it. Where
    `every_n_epochs` is None there are no pictures, only the texts and the row in HPARAMS, as the trials of a search
    want it.
    """

    def __init__(self, every_n_epochs: int | None, run_directory: Path) -> None:
        if every_n_epochs is not None and every_n_epochs < 0:
            raise ValueError(f"every_n_epochs is {every_n_epochs}; give a number of epochs, or 0 for only at the end")
        self.every_n_epochs, self.run_directory = every_n_epochs, run_directory

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The configuration and the row in HPARAMS; the net and its input, unless an earlier start showed them."""
        data = _data(trainer)
        loggers = _loggers(trainer)
        if data is None or not loggers:
            return
        net = _evaluated(pl_module)
        record = peek(self.run_directory)  # empty for a trainer without a run's directory
        config, overrides = record.get("config"), record.get("overrides")
        fresh = trainer.ckpt_path is None
        parameters = sum(p.numel() for p in net.parameters())
        for logger in loggers:
            if isinstance(config, dict):
                asked = [str(override) for override in (overrides if isinstance(overrides, list) else ())]
                row, columns = hyperparameters(config, asked)
                row, columns = of_trial(record.get("trial"), row, columns)
                add_row(logger.experiment, row | {"parameters": parameters}, columns, fresh=fresh)
                logger.experiment.add_text("config", _code(config))
                logger.experiment.add_text("origin", _code({key: record[key] for key in ORIGIN if key in record}))
            logger.experiment.add_custom_scalars(LAYOUT)
        if fresh and self.every_n_epochs is not None:
            with isolate_rng():
                images, labels = _first_batch(data)
                inputs = figures.png(figures.batch(images, labels, data.classes))
                for logger in loggers:
                    add_picture(logger.experiment, "train/input", inputs, 0)
                    _add_graph(logger.experiment, net, images[:1])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The current weights and what they make of the validation split."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._show("val", trainer, _evaluated(pl_module), trainer.global_step - 1)  # the curves' last step

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The same for the best epoch's weights, their place in the projector, and their figures in HPARAMS.

        Not when training ends: a run that was cut off after that has nothing left to train when it goes on.
        """
        best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor), None)
        if not _loggers(trainer) or best is None or not best.best_model_path:
            return
        if self.every_n_epochs is not None:
            net = deepcopy(_evaluated(pl_module))
            load_weights(net, Path(best.best_model_path))
            self._show("best", trainer, net.to(trainer.strategy.root_device), trainer.global_step)
        self._add_best_epoch(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """A trial that is pruned has figures too."""
        if isinstance(exception, Pruned):
            self._add_best_epoch(trainer)

    def _add_best_epoch(self, trainer: L.Trainer) -> None:
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # set by Lightning's callback connector
        epochs = [epoch for callback in callbacks if isinstance(callback, Pulse) for epoch in callback.history]
        validated = [epoch for epoch in epochs if "val/accuracy" in epoch]
        if validated:
            _add_results(trainer, "val", max(validated, key=lambda epoch: epoch["val/accuracy"]))

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The test's figures in HPARAMS."""
        _add_results(trainer, "test", {name: float(value) for name, value in trainer.callback_metrics.items()})

    def _show(self, stage: str, trainer: L.Trainer, net: nn.Module, step: int) -> None:
        data, loggers = _data(trainer), _loggers(trainer)
        if data is None or data.val is None or not loggers:
            return
        predictions = predict(net, data.val, data.normalise, data.eval_batch_size, embed=stage == "best")
        scores = score(predictions, data.classes)
        drawn = {
            name: figures.png(figure)
            for name, figure in figures.pictures(predictions, scores, data.val, data.classes).items()
        }
        for logger in loggers:
            writer = logger.experiment
            for name, content in drawn.items():
                add_picture(writer, f"{stage}/{name}", content, step)
            for i, name in enumerate(data.classes):
                truth, probability = predictions.labels == i, predictions.probabilities[:, i]
                writer.add_pr_curve(f"{stage}/precision_recall/{name}", truth, probability, step)
            weights = "weights" if stage == "val" else "best_weights"
            for name, values in net.named_parameters():
                writer.add_histogram(f"{weights}/{name}", values.detach().float().cpu(), step)
            if predictions.embeddings is not None:
                _add_embeddings(writer, predictions, data.val, data.classes)


def add_picture(writer: SummaryWriter, tag: str, png: bytes, step: int) -> None:
    """A PNG file's content among TensorBoard's images."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))  # uint8 (H, W, 3)
    writer.add_image(tag, image, step, dataformats="HWC")


def _loggers(trainer: L.Trainer) -> list[TensorBoardLogger]:
    """TensorBoard's loggers, on the first process only; none in a fast_dev_run."""
    return [logger for logger in trainer.loggers if trainer.is_global_zero and isinstance(logger, TensorBoardLogger)]


def _data(trainer: L.Trainer) -> MNISTDataModule | None:
    data = trainer.datamodule  # type: ignore[attr-defined]  # set by Lightning's data connector
    return data if isinstance(data, MNISTDataModule) else None


def _evaluated(module: L.LightningModule) -> nn.Module:
    assert isinstance(module, Classifier)
    return module.evaluated_net


def _first_batch(data: MNISTDataModule) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images of the first training batch as the net sees them: float (B, 1, H, W); labels int64 (B,)."""
    batch = next(iter(BatchLoader(data.train, data.batch_size, data.seed)))
    torch.manual_seed(batch.seed)
    images = data.normalise(deepcopy(data.augment)(batch.images))
    return images[:SHOWN_INPUTS], batch.labels[:SHOWN_INPUTS]


def _add_graph(writer: SummaryWriter, net: nn.Module, sample: torch.Tensor) -> None:
    """The net as a graph; not every net can be traced, and none has to be."""
    copy = deepcopy(net).cpu().float().eval()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # the writer prints what it raises
        warnings.simplefilter("ignore")
        try:
            writer.add_graph(copy, sample.float())
        except Exception as error:  # tracing a net of one's own can raise anything, and a graph is worth no run
            log.debug("no graph of the net in TensorBoard: %s", error)


def _add_embeddings(writer: SummaryWriter, predictions: Predictions, split: Split, classes: tuple[str, ...]) -> None:
    """The last layer's input of up to 1,000 images, for the projector, each with its picture, truth and guess."""
    assert predictions.embeddings is not None
    guesses, labels, rows = (
        t[:PROJECTED].tolist() for t in (predictions.guesses, predictions.labels, predictions.rows)
    )
    metadata = [
        [classes[label] + f" read as {classes[guess]}" * (label != guess), classes[label], classes[guess], f"{row}"]
        for label, guess, row in zip(labels, guesses, rows, strict=True)
    ]
    images = 1 - split.pixels()[:PROJECTED].cpu().unsqueeze(1).float() / 255  # (N, 1, H, W): ink on paper
    with contextlib.redirect_stdout(io.StringIO()):  # a run that goes on writes into the folder that is there
        writer.add_embedding(
            predictions.embeddings[:PROJECTED],
            metadata,
            images.expand(-1, 3, -1, -1),
            global_step="projector",  # names the folder
            tag="best",
            metadata_header=["answer", "truth", "guess", "index"],
        )


def _add_results(trainer: L.Trainer, split: str, metrics: Mapping[str, float]) -> None:
    """A split's accuracy and loss in the run's row in HPARAMS; the last value is the one shown there."""
    for logger in _loggers(trainer):
        for name in ("accuracy", "loss"):
            if f"{split}/{name}" in metrics:
                logger.experiment.add_scalar(f"hp/{split}_{name}", metrics[f"{split}/{name}"], trainer.global_step)


def _code(tree: Tree) -> str:
    return f"```yaml\n{yaml.safe_dump(tree, sort_keys=False)}```"
