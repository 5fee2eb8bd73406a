"""Studies to be shown: a realistic one that was optimised on a formula, and trials written by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

LISTS = ("[[16],[32,32]]", "[[32],[64,64]]", "[[16,16],[32,32],[64,64]]")
SPACE: dict[str, dict[str, object]] = {
    "lr": {"key": "optimizer.lr", "low": 1e-4, "high": 1e-1, "log": True},
    "dropout": {"key": "model.dropout", "low": 0.0, "high": 0.6},
    "channels": {"key": "model.channels", "choices": list(LISTS)},
    "optimizer": {"key": "optimizer", "choices": ["adamw", "sgd"]},
    "momentum": {"key": "optimizer.momentum", "low": 0.5, "high": 0.99},
    "batch_size": {"key": "data.batch_size", "low": 32, "high": 512, "log": True},
}


def directions(objectives: tuple[str, ...]) -> list[StudyDirection]:
    """Accuracies up, costs down."""
    up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    return [up if name.endswith("accuracy") else down for name in objectives]


def write_search(directory: Path, trials: int) -> Path:
    """The directory of a search over the formula, as far as its report reads it."""
    directory.mkdir(parents=True, exist_ok=True)
    toy = toy_study(trials)
    study = optuna.create_study(
        study_name=toy.study_name, storage=f"sqlite:///{directory / 'search.sqlite'}", directions=toy.directions
    )
    for name, value in toy.user_attrs.items():
        study.set_user_attr(name, value)
    study.add_trials(toy.trials)
    (directory / "search.json").write_text(json.dumps({"format": 1, "name": toy.study_name, "storage": None}))
    return directory


def toy_study(trials: int = 40, objectives: tuple[str, ...] = ("val/accuracy",), seed: int = 0) -> optuna.Study:
    """A search over a formula that resembles what a small CNN does; pruned where there is one objective."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="cnn_cnn",
        directions=directions(objectives),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )
    study.set_user_attr("definition", {
        "objective": list(objectives), "space": SPACE, "max_epochs": 10, "base": ["model=cnn", "tune.trials=40"],
    })  # fmt: skip

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.6)
        channels = trial.suggest_categorical("channels", LISTS)
        batch = trial.suggest_int("batch_size", 32, 512, log=True)
        bad = 0.35 * abs(math.log10(lr / 3e-3)) ** 2 + 0.6 * (dropout - 0.2) ** 2 + 0.002 * math.log2(batch)
        if trial.suggest_categorical("optimizer", ["adamw", "sgd"]) == "sgd":
            bad += 0.4 * abs(trial.suggest_float("momentum", 0.5, 0.99) - 0.9)
        wide = LISTS.index(channels)
        overrides = [f"optimizer.lr={lr}", f"model.channels={channels}", f"model.dropout={dropout}"]
        trial.set_user_attr("overrides", overrides)
        trial.set_user_attr("directory", f"trials/{trial.number:04}")
        trial.set_user_attr("host", "here")
        if trial.number == 7:
            trial.set_user_attr("reason", "a loss that is not finite, at step 13 of epoch 1")
            raise ArithmeticError
        for epoch in range(10):
            trial.set_user_attr("epochs", epoch + 1)
            trial.set_user_attr("seconds", 1.5 * (epoch + 1))
            error = (0.005 + 0.05 * bad - 0.0012 * wide) + (0.1 + bad * 0.3) * math.exp(-0.6 * (epoch + 1))
            accuracy = max(1 - error, 0.1)
            if len(objectives) == 1:
                trial.report(accuracy if study.directions[0].name == "MAXIMIZE" else error, epoch + 1)
                if trial.should_prune():
                    raise optuna.TrialPruned
        worth = {"val/accuracy": accuracy, "val/loss": 3 * error}
        return tuple(worth.get(name, (1 + wide) ** 2 * 6000.0 + 7.0 * i) for i, name in enumerate(objectives))

    study.optimize(objective, trials, catch=(ArithmeticError,))
    if len(objectives) == 1 and any(trial.state == TrialState.COMPLETE for trial in study.trials):
        study.set_user_attr("test", {"trial": study.best_trial.number, "accuracy": 0.9942, "loss": 0.017})
    return study


def study_of(
    trials: list[FrozenTrial], objectives: tuple[str, ...] = ("val/accuracy",), **definition: object
) -> optuna.Study:
    """A study of trials written by hand."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="by hand", directions=directions(objectives))
    study.set_user_attr("definition", {"objective": list(objectives), "space": {}, **definition})
    study.add_trials(trials)
    return study


def trial_of(
    values: float | tuple[float, ...] | None = None,
    state: TrialState = TrialState.COMPLETE,
    *,
    params: dict[str, object] | None = None,
    distributions: dict[str, BaseDistribution] | None = None,
    curve: dict[int, float] | None = None,
    retried: list[int] | None = None,
    **said: object,
) -> FrozenTrial:
    """A trial written by hand; what has no distribution has the one that comes to mind."""
    params = params or {}
    found = {name: (distributions or {}).get(name, _usual(value)) for name, value in params.items()}
    return create_trial(
        state=state,
        values=None if values is None else [values] if isinstance(values, float) else list(values),
        params=params,
        distributions=found,
        intermediate_values={epoch + 1: value for epoch, value in (curve or {}).items()},
        user_attrs=said,
        system_attrs={"retry_history": retried} if retried else {},
    )


def _usual(value: object) -> BaseDistribution:
    if isinstance(value, float):
        return FloatDistribution(min(1e-5, value), max(1.0, value), log=value > 0)
    if isinstance(value, int):
        return IntDistribution(0, max(10, value))
    return CategoricalDistribution([str(value), "other"])
