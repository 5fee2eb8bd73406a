"""Small experiments that show the reason for each preprocessing step, on the data set itself.

The model is softmax regression (a linear classifier), trained by plain stochastic gradient descent: quick enough to
train here, and as sensitive to the scale and offset of its input as the first layer of a deep net.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from digits.exploring.describe import Bytes, Pictures, Real, Whole

Floats = npt.NDArray[np.float32]

RATES: Real = 10.0 ** np.arange(-9, 1.1, 2 / 3)  # learning rates
SAMPLE = 10_000  # training images
JUDGED = 2000  # of these, and of the held-out images, for each learning rate's loss and for the second moments
STEPS, BATCH = 200, 128
TURNS = ("as it is", "mirrored", "upside down", "turned by half")


class Linear(NamedTuple):
    """Softmax regressions at several learning rates, with their training losses."""

    weights: Floats  # (D, R, C)
    bias: Floats  # (R, C)
    losses: Real  # (R, steps): cross-entropy of each batch, before its step

    def logits(self, inputs: Floats) -> Floats:
        """Inputs (N, D) to logits (N, R, C)."""
        return np.tensordot(inputs, self.weights, axes=1) + self.bias


class Scaling(NamedTuple):
    """One scaling of the pixels, and how well plain gradient descent trains with it."""

    name: str
    held_out: Real  # (rates,): cross-entropy on held-out images after the last step, for each of RATES
    curve: Real  # (steps,): training loss at the learning rate that is best for the normalised pixels
    largest: float  # the largest eigenvalue of the inputs' second moments
    ratio: float  # the largest eigenvalue over the fiftieth


class Demonstrations(NamedTuple):
    """The measurements that justify the preprocessing steps."""

    scalings: list[Scaling]  # 0..255, 0..1, normalised
    rate: float  # the learning rate of the curves
    shares: Real  # (draws, C): each class's share of a plain random validation split
    shifted: Real  # (S,): accuracy on images shifted by 0, 1, 2, ... S - 1 pixels
    turned: Real  # (4, C): accuracy per class for each of TURNS; NaN for a class without held-out images
    evaluated_on: str  # the split of the accuracies


def train_linear(inputs: Floats, labels: Whole, num_classes: int, rates: Real, steps: int = STEPS) -> Linear:
    """Softmax regressions from zero weights by plain SGD, one for each learning rate, on the same batches.

    All train in parallel, so that each step is two matrix products for any number of rates.
    """
    random = np.random.RandomState(0)
    weights = np.zeros((inputs.shape[1], len(rates), num_classes), np.float32)
    bias = np.zeros((len(rates), num_classes), np.float32)
    losses: Real = np.zeros((len(rates), steps))
    factors = -rates.astype(np.float32)[:, None]
    for step in range(steps):
        rows = random.randint(len(labels), size=BATCH)
        x, y = inputs[rows], labels[rows]
        logits = Linear(weights, bias, losses).logits(x)  # (B, R, C)
        losses[:, step] = cross_entropy(logits, y)
        slope = _softmax(logits)  # the gradient of the loss by the logits is (softmax - one-hot) / batch size
        slope[np.arange(BATCH), :, y] -= 1
        slope *= factors / BATCH
        weights += np.tensordot(x, slope, axes=(0, 0))
        bias += slope.sum(axis=0)
    return Linear(weights, bias, losses)


def cross_entropy(logits: Floats, labels: Whole) -> Real:
    """Mean cross-entropy in nats of logits (N, R, C), for each of the R models."""
    top = logits.max(axis=2, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=2)) + top[:, :, 0]
    losses: Real = np.mean(log_sum - logits[np.arange(len(labels)), :, labels], axis=0, dtype=np.float64)
    return losses


def second_moments(inputs: Floats) -> Real:
    """Eigenvalues, largest first, of the mean of x xᵀ, where x is an input (N, D) with a 1 for the bias.

    They are the curvatures of a linear model's squared loss: gradient descent needs a learning rate below 2 / the
    largest, and then learns more slowly along the others in proportion to their size (LeCun et al. 1998, Efficient
    BackProp, sections 4.3 and 5).
    """
    x = np.concatenate([inputs, np.ones((len(inputs), 1), np.float32)], axis=1)
    eigenvalues: Real = np.linalg.eigvalsh((x.T @ x / len(x)).astype(np.float64))
    return eigenvalues[::-1]


def shift(images: Bytes, down: int, right: int) -> Bytes:
    """Images (N, H, W) shifted by whole pixels, padded with background."""
    _, height, width = images.shape
    moved = np.zeros_like(images)
    moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = images[
        :, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return moved


def turn(images: Bytes, how: str) -> Bytes:
    """Images (N, H, W) in one of TURNS."""
    return {
        "as it is": images,
        "mirrored": images[:, :, ::-1],
        "upside down": images[:, ::-1],
        "turned by half": images[:, ::-1, ::-1],
    }[how]


def random_shares(labels: Whole, held_out: int, num_classes: int, draws: int = 300) -> Real:
    """Each class's share in plain random splits, (draws, C), to compare with a stratified one."""
    counts = np.bincount(labels, minlength=num_classes)
    drawn: Real = np.random.default_rng(0).multivariate_hypergeometric(counts, held_out, size=draws) / held_out
    return drawn


def augmented(images: Bytes, augment: nn.Module, times: int, seed: int = 0) -> Bytes:
    """Each of images (N, H, W) augmented `times` times, (N, times, H, W)."""
    stack = torch.from_numpy(np.ascontiguousarray(images)).unsqueeze(1).repeat_interleave(times, dim=0)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        changed: Bytes = augment(stack).numpy()
    return changed.reshape(len(images), times, *images.shape[1:])


def demonstrate(
    train: Pictures, held_out: Pictures, evaluated_on: str, num_classes: int, mean: float, std: float
) -> Demonstrations:
    """All measurements: models trained on a fixed sample of `train`, evaluated on `held_out`."""
    rows = np.random.RandomState(0).permutation(len(train.labels))[:SAMPLE]
    labels = train.labels[rows]
    ways = {"0..255": (0.0, 1.0), "0..1": (0.0, 255.0), "normalised": (255 * mean, 255 * std)}

    def present(images: Bytes, way: str) -> Floats:
        subtract, divide = ways[way]
        return (images.reshape(len(images), -1).astype(np.float32) - np.float32(subtract)) / np.float32(divide)

    trained, losses = {}, {}
    with threadpool_limits(1):  # more threads are not faster with matrices this small, and wait on shared cores
        for way in ways:
            trained[way] = train_linear(present(train.images[rows], way), labels, num_classes, RATES)
            logits = trained[way].logits(present(held_out.images[:JUDGED], way))
            losses[way] = cross_entropy(logits, held_out.labels[:JUDGED])
        spectra = {way: second_moments(present(train.images[rows[:JUDGED]], way)) for way in ways}
    best = int(losses["normalised"].argmin())
    scalings = []
    for way, model in trained.items():
        curvatures = spectra[way]
        largest, fiftieth = float(curvatures[0]), float(curvatures[min(49, len(curvatures) - 1)])
        scalings.append(Scaling(way, losses[way], model.losses[best], largest, largest / max(fiftieth, 1e-12)))

    weights, bias = trained["normalised"].weights[:, best], trained["normalised"].bias[best]

    def right(images: Bytes) -> npt.NDArray[np.bool_]:
        answers = (present(images, "normalised") @ weights + bias).argmax(axis=1)
        hits: npt.NDArray[np.bool_] = answers == held_out.labels
        return hits

    ways_to_go = ((1, 0), (-1, 0), (0, 1), (0, -1))
    moved = [np.mean([right(shift(held_out.images, d * y, d * x)).mean() for y, x in ways_to_go]) for d in range(7)]
    turned: Real = np.full((len(TURNS), num_classes), np.nan)
    for i, how in enumerate(TURNS):
        hits = right(turn(held_out.images, how))
        for c in np.unique(held_out.labels):
            turned[i, c] = hits[held_out.labels == c].mean()
    everything = np.concatenate([train.labels, held_out.labels])
    return Demonstrations(
        scalings,
        float(RATES[best]),
        random_shares(everything, len(held_out.labels), num_classes),
        np.array(moved),
        turned,
        evaluated_on,
    )


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    shares: Floats = powers / powers.sum(axis=2, keepdims=True)
    return shares
