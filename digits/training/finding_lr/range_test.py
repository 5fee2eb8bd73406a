"""The learning-rate range test (Smith 2017, arXiv 1506.01186, section 3.3): the loss at rates that rise step by step.

On copies of the net and the optimizer, with the training batches of the first epochs: the training that follows is the
same to the bit as with `optimizer.lr` given. Lightning's `Tuner.lr_find` does not promise that: it searches with the
trainer itself, restores neither random numbers nor running metrics, and validates wherever an epoch ends meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import count, islice
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from lightning.pytorch.utilities.seed import isolate_rng
from tqdm import tqdm

from digits.config.faults import ConfigError, Fault
from digits.config.schema import Trainer
from digits.data.base import AnyDataModule, ImageBatch, seed_step
from digits.training.task_module import AnyBatch, AnyTask

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100  # the learning rates, evenly spaced on a logarithmic scale
SMOOTH = 3  # standard deviation of the Gaussian that smooths the losses, in steps
FIRST, DIVERGED = 10, 4.0  # the search ends at this multiple of the mean of so many first losses
NEARLY = 0.95  # of the fall, after which little is left of it
NOISE = 2.0  # standard deviations of the losses around the smoothed ones that a fall must exceed


class Search(NamedTuple):
    """Learning rates that were tried, and the training loss at each, finite."""

    rates: Sequence[float]
    losses: Sequence[float]

    @property
    def smoothed(self) -> npt.NDArray[np.float64]:
        """The losses, smoothed along the steps, (n,)."""
        reach = 3 * SMOOTH
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTH) ** 2)
        return np.convolve(np.pad(self.losses, reach, mode="edge"), weights / weights.sum(), mode="valid")

    @property
    def suggestion(self) -> float | None:
        """The suggested rate, to two digits; None if the loss does not fall.

        It is midway, on the logarithmic scale, between where the smoothed loss falls most steeply, as learning sets in,
        and where it has nearly fallen: beyond that there is little to gain.
        """
        smoothed = self.smoothed
        before = slice(int(smoothed.argmin()) + 1)
        noise, fall = np.std((self.losses - smoothed)[before]), smoothed[0] - smoothed.min()
        if fall <= NOISE * noise:
            return None
        fallen = int((smoothed <= smoothed[0] - NEARLY * fall).argmax())
        slopes = np.gradient(smoothed, np.log(self.rates))[before]
        return float(f"{math.sqrt(self.rates[int(slopes.argmin())] * self.rates[fallen]):.1e}")


def search(
    module: AnyTask, data: AnyDataModule, trainer: Trainer, device: torch.device, alive: Callable[[], None]
) -> Search:
    """Train a copy of the module at rates that rise from step to step, until the loss diverges.

    `alive` is called after every step. Random numbers, the module and the data are left as they were. Raises
    ConfigError where the first loss is not finite.
    """
    assert trainer.precision != "auto", "the machine chose one before"
    places = 1 if device.index is None else [device.index]
    fabric = Fabric(accelerator=device.type, devices=places, precision=trainer.precision)
    by_value = (trainer.model_extra or {}).get("gradient_clip_algorithm") == "value"
    losses: list[float] = []
    rates = np.geomspace(LOWEST, HIGHEST, STEPS).tolist()
    with isolate_rng():
        task = deepcopy(module).to(device)
        net, optimizer = fabric.setup(task.net, task.make_optimizer(task.net.parameters()))
        batches = _batches(data, fabric)
        for rate in tqdm(rates, desc="learning rates", leave=False, disable=None):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss = 0.0
            for batch in islice(batches, trainer.accumulate_grad_batches):
                with fabric.autocast():
                    part = task.loss_of(net(batch.images), batch, "train") / trainer.accumulate_grad_batches
                fabric.backward(part)
                loss += float(part.detach())
            if not math.isfinite(loss):
                break
            losses.append(loss)
            if loss > DIVERGED * np.mean(losses[:FIRST]):
                break
            if trainer.gradient_clip_val is not None:
                clip = {"clip_val" if by_value else "max_norm": trainer.gradient_clip_val}
                fabric.clip_gradients(net, optimizer, **clip, error_if_nonfinite=False)
            optimizer.step()
            alive()
    if not losses:
        raise ConfigError(Fault("trainer.find_lr", "can't search: the loss is not finite before the first step"))
    return Search(rates[: len(losses)], losses)


def _batches(data: AnyDataModule, fabric: Fabric) -> Iterator[AnyBatch]:
    """The training batches of one epoch after the other, on the device, augmented and normalised as in training."""
    loader, augment = data.train_dataloader(), deepcopy(data.augment)
    for epoch in count():
        loader.set_epoch(epoch)
        for batch in loader:
            moved: ImageBatch = fabric.to_device(batch)
            seed_step(moved.seed, fabric.device)
            yield cast(AnyBatch, moved._replace(images=data.normalise(augment(moved.images))))
