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
    return any(map(_says_cycled, optimizer.values()))


def has_momentum(*, _parent_: DictConfig) -> bool:
    """Whether the optimizer has a momentum for Nesterov's method to look ahead with."""
    return bool(_parent_.get("momentum"))


def void_momentum(config: DictConfig) -> str | None:
    """The key of a momentum that was given in vain, since the schedule was told to move it between torch's own bounds.

    `config` is not resolved yet: afterwards nobody knows what was given. One with bounds of its own says what it wants.
    """
    optimizer, scheduler = (OmegaConf.to_container(config[name], resolve=False) for name in ("optimizer", "scheduler"))
    assert isinstance(optimizer, dict)
    assert isinstance(scheduler, dict)
    if scheduler.get("cycle_momentum") is not True or {"base_momentum", "max_momentum"} & scheduler.keys():
        return None
    given = (key for key in ("momentum", "betas") if key in optimizer and not _says_cycled(optimizer[key]))
    return next((f"optimizer.{key}" for key in given), None)


def _says_cycled(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${cycled:")


for resolver in (cycled, cycles_momentum, has_momentum):
    OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
