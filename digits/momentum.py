"""What the YAML of optimizers and schedules says of momentum: is it cycled, and is there any. No torch."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf


def cycled(momentum: object) -> object:
    """A momentum, or betas, that a schedule may move: the value is the optimizer's where the schedule moves none."""
    return momentum


def cycles_momentum(*, _root_: DictConfig) -> bool:
    """Whether the optimizer's momentum says `${cycled:…}`: one that was given in its place stays as it is."""
    optimizer = OmegaConf.to_container(_root_.optimizer, resolve=False)
    assert isinstance(optimizer, dict)
    return any(isinstance(value, str) and value.startswith("${cycled:") for value in optimizer.values())


def has_momentum(*, _parent_: DictConfig) -> bool:
    """Whether the optimizer has a momentum for Nesterov's method to look ahead with."""
    return bool(_parent_.get("momentum"))


for resolver in (cycled, cycles_momentum, has_momentum):
    OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
