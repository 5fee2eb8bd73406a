"""Optuna's samplers and pruners, made from their sections of the configuration and checked before the first trial."""

from __future__ import annotations

from typing import cast

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler

from digits.config.faults import ConfigError, Fault
from digits.config.instantiate import instantiate
from digits.tuning.plan import Plan, is_grid
from digits.tuning.results import directions
from digits.tuning.space import draw, grid
from digits.tuning.storage import first_line


def engines(plan: Plan, trials: int) -> tuple[BaseSampler, BasePruner]:
    """A sampler and a pruner for the trial of index `trials`.

    A draw is a function of `tune.seed` and the trial's number: a resumed search does not repeat earlier draws.
    """
    return _sampler(plan, trials), _pruner(plan)


def check_engines(plan: Plan) -> None:
    """Raise ConfigError if the sampler or the pruner can't work with its arguments."""
    study = optuna.create_study(directions=directions(plan.tune.objective, plan.task))
    name, section = "sampler", plan.sampler
    try:
        study.sampler = _sampler(plan, 0)
        trial = study.ask()
        draw(plan.space, trial)
        name, section = "pruner", plan.pruner
        study.pruner = _pruner(plan)
        if len(plan.tune.objective) == 1:
            trial.report(0.0, 1)
            trial.should_prune()
    except Exception as error:  # of any kind, depending on how the values are used
        values = ", ".join(f"{key}={value}" for key, value in section.tree().items() if key != "_target_")
        why = f"{section.target} can't work with {values or 'this search'}: {first_line(error)}; correct its values"
        raise ConfigError(Fault(name, why)) from None


def _sampler(plan: Plan, trials: int) -> BaseSampler:
    # one seed, hence one order, for the whole grid
    seed = plan.tune.seed if is_grid(plan.sampler) else (plan.tune.seed * 1_000_003 + trials) % 2**32
    return cast(BaseSampler, instantiate(plan.sampler, search_space=grid(plan.space)[0], seed=seed))


def _pruner(plan: Plan) -> BasePruner:
    return NopPruner() if len(plan.tune.objective) > 1 else cast(BasePruner, instantiate(plan.pruner))
