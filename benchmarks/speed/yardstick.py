"""The yardstick of speed: one epoch of the fastest published MNIST recipe, in a bare loop; prints seconds and accuracy.

    python -m benchmarks.speed.yardstick 0

The recipe is the last net of tuomaso/train_mnist_fast (99.04 % in 0.76 s on a GTX 1660 Ti), written anew: convolution
24 5x5, pool, convolution 32 3x3, pool, 256, 10, pooling before ReLU; batches of 256; Adam with betas 0.7 and 0.9;
one cycle up to 0.01 that leaves the betas alone; the whole set is one float32 tensor, cut into batches as it lies.
Seconds are those from the first batch to the last.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import Tensor, nn

from benchmarks.speed.bare_loop import make_data
from digits.data import Normalise, Split

BATCH = 256


def make_net() -> nn.Sequential:
    """Images (B, 1, 28, 28) to logits (B, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),  # (B, 24, 12, 12)
        nn.Conv2d(24, 32, 3),
        nn.MaxPool2d(2),
        nn.ReLU(),  # (B, 32, 5, 5)
        nn.Flatten(),
        nn.Linear(800, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


def train(images: Tensor, labels: Tensor, seed: int) -> tuple[nn.Module, float]:
    """One epoch over normalised images (N, 1, 28, 28); gives the net and the seconds of its steps."""
    torch.manual_seed(seed)
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.7, 0.9))
    steps = -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps, cycle_momentum=False)
    begun = time.perf_counter()
    for batch, truth in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(batch), truth).backward()
        optimizer.step()
        schedule.step()
    return net, time.perf_counter() - begun


def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy, 0..1."""
    with torch.inference_mode():
        guesses = torch.cat([net(batch).argmax(1) for batch in torch.split(images, 1000)])
    return float((guesses == labels).float().mean())


def tensors(split: Split, normalise: Normalise) -> tuple[Tensor, Tensor]:
    """A split as one normalised tensor and its labels."""
    return normalise(split.pixels()), split.truth()


def main(seed: int) -> tuple[float, float]:
    """Train on all training images of MNIST; gives seconds and test accuracy."""
    data = make_data("data.val_size=0")
    data.setup()
    net, seconds = train(*tensors(data.train, data.normalise), seed)
    return seconds, accuracy(net, *tensors(data.test, data.normalise))


if __name__ == "__main__":
    print(*main(int(sys.argv[1])))
