"""Knowledge distillation (Hinton, Vinyals, Dean 2015, arXiv 1503.02531): trained nets' answers in place of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from digits.config.check import ConfigError, Fault
from digits.config.schema import Experiment
from digits.config.tree import Tree
from digits.training import saved
from digits.training.run import RunError, find_run, read_model, read_result


class Teacher:
    """The mean of some trained nets' probabilities; no part of the net that learns from it, nor of its checkpoints."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.nets = [net.eval().requires_grad_(False) for net in nets]

    def to(self, device: torch.device) -> None:
        """Move the nets to a device."""
        for net in self.nets:
            net.to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images (B, 1, H, W) to probabilities, float32 (B, num_classes)."""
        with torch.no_grad():
            return torch.stack([net(images).float().softmax(1) for net in self.nets]).mean(0)


def read_teacher(config: Experiment) -> Teacher | None:
    """The nets of the runs that `teachers` names, or None where it names none.

    Raises ConfigError where a run can't teach this one: its net takes other pictures or knows other classes, or it was
    trained on images that are to be validated on.
    """
    nets = []
    for name in config.teachers:
        try:
            run = find_run(name)
            model = read_model(run)
            _check_fits(config.data.tree(), cast(Tree, model["input"]), read_result(run))
            net = saved.build_net(model, tuple(config.trust), run)
            saved.load_weights(net, run)
        except RunError as error:
            raise ConfigError(Fault("teachers", f"{name}: {error}")) from None
        nets.append(net.to(memory_format=torch.channels_last) if config.trainer.channels_last else net)
    return Teacher(nets) if nets else None


def _check_fits(data: Tree, takes: Tree, record: Tree) -> None:
    config = record.get("config")
    theirs = config.get("data") if isinstance(config, dict) else None
    if not isinstance(theirs, dict):
        raise RunError("has no configuration, so what it was trained on is not known")
    for key in ("mean", "std", "image_size"):
        if takes[key] != data[key]:
            raise RunError(f"takes pictures with {key} {takes[key]}, but here data.{key} is {data[key]}")
    if theirs.get("num_classes") != data["num_classes"]:
        raise RunError(f"knows {theirs.get('num_classes')} classes, but here data.num_classes is {data['num_classes']}")
    split = ("name", "val_size", "split_seed")
    if data["val_size"] and [theirs.get(key) for key in split] != [data[key] for key in split]:
        raise RunError(
            "was trained on other images than this run trains on, and so on some that are validated on here; "
            f"take a teacher with data.val_size={data['val_size']} data.split_seed={data['split_seed']}"
        )
