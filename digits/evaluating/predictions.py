"""The predictions of a net, or of an ensemble, for every image of a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digits.data import BatchLoader, Normalise, Split

VIEWS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""The shift of each view, down and right, in pixels; the first is the image itself."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """A net's predictions, in the split's order, on the CPU: M images, C classes."""

    probabilities: Tensor  # float32 (M, C), each row sums to 1
    guesses: Tensor  # int64 (M,): the predicted class, by logits, before rounding can make probabilities tie
    labels: Tensor  # int64 (M,)
    losses: Tensor  # float32 (M,): cross-entropy in nats, without label smoothing
    rows: Tensor  # int64 (M,): where each image stands in its official split
    embeddings: Tensor | None = None  # float32 (M, D): input of the last linear layer

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def confidences(self) -> Tensor:
        """The probability of each predicted class, float32 (M,)."""
        return self.probabilities.gather(1, self.guesses.unsqueeze(1)).squeeze(1)

    @property
    def right(self) -> Tensor:
        """Whether each prediction is correct, bool (M,)."""
        return self.guesses == self.labels


def predict(
    net: nn.Module, split: Split, normalise: Normalise, batch_size: int, *, views: int = 1, embed: bool = False
) -> Predictions:
    """Predictions for a split, in evaluation mode, on the net's device; leaves the net as it was.

    `views` passes over the first of VIEWS are averaged. With `embed`, and one view, the predictions include the inputs
    of the net's last linear layer, if it has one.
    """
    return average([_one_pass(net, split, normalise, batch_size, shift, embed=embed) for shift in VIEWS[:views]])


def average(answers: Sequence[Predictions]) -> Predictions:
    """The mean of the probabilities of several nets or views, for the same images in the same order; no embeddings.

    The predicted class has the largest mean; the loss is the negative logarithm of the mean at the label. A single one
    is returned as it is.
    """
    first = answers[0]
    if len(answers) == 1:
        return first
    assert all(torch.equal(a.rows, first.rows) and torch.equal(a.labels, first.labels) for a in answers)
    total = torch.zeros_like(first.probabilities, dtype=torch.float64)
    for answer in answers:
        total += answer.probabilities
    mean = total / len(answers)  # (M, C)
    # from the losses, which stay finite where a probability underflows float32
    logarithms = torch.stack([-answer.losses.double() for answer in answers]).logsumexp(0) - log(len(answers))
    return Predictions(
        probabilities=mean.float(),
        guesses=mean.argmax(1),
        labels=first.labels,
        losses=(-logarithms).clamp(min=0).float(),
        rows=first.rows,
    )


def shifted(images: Tensor, down: int, right: int, background: float = 0) -> Tensor:
    """Images (..., H, W) shifted by whole pixels, padded with `background`."""
    return F.pad(images, (right, -right, down, -down), value=background)


def mean_logits(answers: Sequence[Tensor]) -> Tensor:
    """Logits (B, C) whose softmax is the mean probability over several logits; a single one is returned as it is."""
    if len(answers) == 1:
        return answers[0]
    return torch.stack([logits.log_softmax(1) for logits in answers]).logsumexp(0) - log(len(answers))


def _one_pass(
    net: nn.Module, split: Split, normalise: Normalise, batch_size: int, shift: tuple[int, int], *, embed: bool
) -> Predictions:
    parameter = next(net.parameters())
    logits: list[Tensor] = []
    features: list[Tensor] = []
    with evaluating(net), torch.inference_mode(), _inputs_of_last_linear(net if embed else None, features):
        for batch in BatchLoader(split, batch_size):
            seen = shifted(batch.images, *shift) if any(shift) else batch.images  # uint8 (B, 1, H, W)
            images = normalise(seen.to(parameter.device)).to(parameter.dtype)  # (B, 1, H, W)
            logits.append(net(images).float().cpu())
    scores, labels = torch.cat(logits), split.truth().cpu()  # (M, C), (M,)
    return Predictions(
        probabilities=scores.softmax(1),
        guesses=scores.argmax(1),
        labels=labels,
        losses=F.cross_entropy(scores, labels, reduction="none"),
        rows=split.rows.cpu(),
        embeddings=torch.cat(features) if features else None,
    )


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put a net into evaluation mode, then restore each layer's own mode: some may have been frozen before."""
    modes = [(layer, layer.training) for layer in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode


@contextmanager
def _inputs_of_last_linear(net: nn.Module | None, features: list[Tensor]) -> Iterator[None]:
    """Collect the inputs of a net's last linear layer in `features` while the context is open."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear)] if net is not None else []
    if not layers:
        yield
        return

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features.append(inputs[0].flatten(1).float().cpu())  # (B, D)

    handle = layers[-1].register_forward_pre_hook(keep)
    try:
        yield
    finally:
        handle.remove()
