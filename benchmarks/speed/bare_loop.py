"""The yardstick: a bare PyTorch loop on a shipped configuration, with nothing of Lightning; prints images a second.

    python -m benchmarks.speed.bare_loop cnn 3

The same net, batch size, optimizer, schedule, precision, memory layout, data and augmentation as
`digits.train model=cnn`, and no more: no metrics, no logs, no checkpoints, no validation. The median epoch counts.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import cast

import torch
from hydra import compose, initialize_config_dir
from torch import nn

from digits.config.check import check
from digits.config.instantiate import instantiate
from digits.config.schema import Experiment
from digits.data import MNISTDataModule
from digits.hydra_app.compose import plain
from digits.hydra_app.paths import conf_directory
from digits.training import machine
from digits.training.build import make_module


def configuration(*overrides: str) -> Experiment:
    """A shipped configuration with overrides."""
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return check(plain(compose("train", overrides=list(overrides))))


def make_data(*overrides: str) -> MNISTDataModule:
    """The shipped data configuration, not yet read."""
    config = configuration(*overrides)
    augment = [instantiate(transform.tree()) for transform in config.augment.values()]
    return cast(MNISTDataModule, instantiate(config.data.tree(), seed=config.seed, augment=augment))


def main(model: str, epochs: int) -> float:
    """Train and return images a second."""
    config = configuration(f"model={model}")
    data = make_data(f"model={model}")
    data.setup()
    module = make_module(config, cast(nn.Module, instantiate(config.model.tree())), data.num_classes)
    net, loss = module.net, module.loss
    mixed = machine.settle(config, net).trainer.precision == "bf16-mixed"
    machine.keep_memory()
    loader = data.train_dataloader()
    optimizer = module.make_optimizer(net.parameters())
    scheduler, *_ = module.make_scheduler(optimizer, len(loader) * epochs, epochs)
    rates = []
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        begun = time.perf_counter()
        for images, labels, _, _ in loader:
            optimizer.zero_grad()
            batch = data.normalise(data.augment(images))
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed, cache_enabled=False):
                value = loss(net(batch), labels)
            value.backward()
            optimizer.step()
            scheduler.step()
        rates.append(len(data.train) / (time.perf_counter() - begun))
    assert all(torch.isfinite(p).all() for p in net.parameters()), "the loop must really train"
    return statistics.median(rates)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2])))
