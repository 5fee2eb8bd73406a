"""Resolvers for the YAML of optimizers and schedules: whether momentum is cycled, whether there is any. No torch."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf


def cycled(momentum: object) -> object:
    """Mark a momentum, or betas, that a schedule may cycle; the value holds where the schedule doesn't."""
    return momentum


def cycles_momentum(*, _root_: DictConfig) -> bool:
    """Whether the optimizer's momentum is `${cycled:…}`: a value given in its place is not cycled."""
    optimizer = OmegaConf.to_container(_root_.optimizer, resolve=False)
    assert isinstance(optimizer, dict)
    return any(map(_says_cycled, optimizer.values()))


def has_momentum(*, _parent_: DictConfig) -> bool:
    """Whether the optimizer's momentum is above 0, as Nesterov's method needs."""
    return bool(_parent_.get("momentum"))


def void_momentum(config: DictConfig) -> str | None:
    """The key of a momentum without effect, since `cycle_momentum` moves it between torch's default bounds.

    None where the schedule has its own bounds. `config` must be unresolved: afterwards a given value can't be told from
    `${cycled:…}`.
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
