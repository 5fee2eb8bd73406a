"""OmegaConf resolvers for optimizers and schedules: `cycled`, `cycles_momentum` and `has_momentum`. No torch."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf


def cycled(momentum: object) -> object:
    """`${cycled:VALUE}`: VALUE, a momentum or betas, constant unless a schedule cycles it."""
    return momentum


def cycles_momentum(*, _root_: DictConfig) -> bool:
    """Whether the optimizer's momentum, or betas, is still `${cycled:…}`: a value given in its place is not cycled."""
    optimizer = OmegaConf.to_container(_root_.optimizer, resolve=False)
    assert isinstance(optimizer, dict)
    return any(map(_says_cycled, optimizer.values()))


def has_momentum(*, _parent_: DictConfig) -> bool:
    """Whether the optimizer's momentum is above 0, as Nesterov's method needs."""
    return bool(_parent_.get("momentum"))


def void_momentum(config: DictConfig) -> str | None:
    """The key of a momentum, or of betas, that was given without effect: `cycle_momentum` uses torch's default bounds.

    None where there is none, or the schedule has bounds of its own. `config` must be unresolved: once it is resolved, a
    given value looks like one of `${cycled:…}`.
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
