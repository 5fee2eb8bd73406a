"""Knowledge distillation (Hinton, Vinyals, Dean 2015, arXiv 1503.02531): trained nets' outputs in place of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.runs import weights
from digits.runs.layout import RunError
from digits.runs.read import read_model


class Teacher:
    """The mean of several trained nets' probabilities; neither a submodule of the student nor in its checkpoints."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.nets = [net.eval().requires_grad_(False) for net in nets]

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images (B, 1, H, W) to probabilities (B, num_classes), on the images' device, where the nets move.

        Always in float32: students of every precision learn from the same probabilities.
        """
        if next(self.nets[0].parameters()).device != images.device:
            self.nets = [net.to(images.device) for net in self.nets]
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return torch.stack([net(images.float()).softmax(1) for net in self.nets]).mean(0)


def read_teacher(config: Experiment) -> Teacher | None:
    """The nets of the runs in `teachers`, or None without any.

    Raises ConfigError when a net can't be rebuilt; `teachers.find_teachers` checks that the runs fit this one.
    """
    nets = []
    for name in config.teachers:
        run = Path(name)
        try:
            net = weights.build_net(read_model(run), tuple(config.trust), run)
            weights.load_weights(net, run)
        except RunError as error:
            raise ConfigError(Fault("teachers", f"{name}: {error}")) from None
        nets.append(net.to(memory_format=torch.channels_last) if config.trainer.channels_last else net)
    return Teacher(nets) if nets else None


def check_loss(loss: nn.Module, num_classes: int) -> None:
    """Raise ConfigError unless a loss accepts probabilities in place of labels."""
    probabilities = torch.full((2, num_classes), 1 / num_classes)
    try:
        with torch.no_grad():
            loss(torch.zeros(2, num_classes), probabilities)
    except Exception as error:  # a loss can fail in any way on input that it does not accept
        why = f"does not accept probabilities, the targets with teachers; set loss=cross_entropy ({error})"
        raise ConfigError(Fault("loss", f"{type(loss).__name__} {why}")) from None
