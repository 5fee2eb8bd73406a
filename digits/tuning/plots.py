"""A search's plots: Optuna's, drawn by plotly, which is imported only when one is drawn."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from digits.config.files import shown
from digits.plots import theme
from digits.tuning.results import Objective, outcome_of
from digits.tuning.storage import counted, number_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BEST = 5  # minimum number of "best" trials, and half of the minimum in all: Optuna's advice for PED-ANOVA


def plots_of(study: optuna.Study) -> dict[str, list[Figure] | str]:
    """The figures of each section, or a sentence that says why there are none."""
    from optuna import visualization as plots

    aims = outcome_of(study).objectives
    whole = _as_shown(study, dict(enumerate(aims)))
    if not _complete(whole):
        return {"history": "No trial is complete yet.", "curves": _curves(whole, _name(aims[0]))}
    found: dict[str, list[Figure] | str] = {}
    if len(aims) == 1:
        found["history"] = [plots.plot_optimization_history(whole, target_name=_name(aims[0]))]
        found["curves"] = _curves(whole, _name(aims[0]))
    else:
        found["pareto"] = _pareto(whole)
    names = list(dict.fromkeys(name for trial in _complete(whole) for name in trial.params))
    if not names:
        return found | {"parallel": "No complete trial has parameters."}
    found["parallel"] = [plots.plot_parallel_coordinate(whole, target_name=_name(aims[0]))]
    for i, aim in enumerate(aims):
        alone = _as_shown(study, {i: aim})
        found[f"importances_{i}"] = _importances(alone)
        found[f"slices_{i}"] = [plots.plot_slice(alone, [name], target_name=_name(aim)) for name in names]
    return found


def _as_shown(study: optuna.Study, aims: dict[int, Objective]) -> optuna.Study:
    """A copy of a study for Optuna's plots: some objectives, each trial once under its number, fractions in percent.

    Gaps in the numbers, and trials whose values are not finite, become failed trials, which no plot shows.
    """
    copy = optuna.create_study(directions=[study.directions[i] for i in aims])
    copy.set_metric_names([_name(aim) for aim in aims.values()])
    finite = {trial.number for trial in outcome_of(study).trials if trial.finite}
    trials = {number_of(trial): trial for trial in counted(study.get_trials(deepcopy=False))}
    for number in range(max(trials, default=-1) + 1):
        trial = trials.get(number, create_trial(state=TrialState.FAIL))
        broken = trial.state == TrialState.COMPLETE and number not in finite
        copy.add_trial(
            create_trial(
                state=TrialState.FAIL if broken else trial.state,
                values=[_scale(aim) * trial.values[i] for i, aim in aims.items()] if number in finite else None,
                params={shown(name): value for name, value in trial.params.items()},
                distributions={shown(name): what for name, what in trial.distributions.items()},
                intermediate_values={step: _scale(aims.get(0)) * v for step, v in trial.intermediate_values.items()},
            )
        )
    return copy


def _scale(aim: Objective | None) -> float:
    return 100.0 if aim is not None and aim.fraction else 1.0


def _name(aim: Objective) -> str:
    return f"{aim.name}, %" if aim.fraction else aim.name


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _curves(study: optuna.Study, name: str) -> list[Figure] | str:
    from optuna.visualization import plot_intermediate_values

    figure = plot_intermediate_values(study)
    if not figure.data:
        return "No trial has reported a value yet."
    figure.update_traces(line={"color": theme.BLUE, "width": 1.5}, marker={"size": 4})
    complete = {f"Trial{trial.number}" for trial in _complete(study)}
    for trace in figure.data:
        if trace.name not in complete:
            trace.update(line={"dash": "dot"}, opacity=0.6)
    most = max(max(trace.x) for trace in figure.data)
    figure.update_xaxes(title="epoch", tick0=0, dtick=max(1, most // 8))  # whole epochs only
    figure.update_yaxes(title=name)
    return [figure]


def _pareto(study: optuna.Study) -> list[Figure] | str:
    from optuna.visualization import plot_pareto_front

    if len(study.directions) > 3:
        return "Optuna draws the Pareto front of two or three objectives only."
    figure = plot_pareto_front(study)
    for trace, colour in zip(figure.data, (theme.BLUE, theme.ACCENT), strict=True):
        trace.marker = {"color": colour, "size": 8, "opacity": 0.7}
    return [figure]


def _importances(study: optuna.Study) -> list[Figure] | str:
    from optuna.visualization import plot_param_importances

    complete = len(_complete(study))
    if complete < 2 * BEST:
        return f"Too few complete trials for importances: at least {2 * BEST} are needed."
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(0.1, BEST / complete))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parameters that few trials have
        if not sum(get_param_importances(study, evaluator=evaluator, normalize=False).values()) > 0:
            return "No parameter stands out."  # e.g. each has one value only; the plot would show equal importances
        figure = plot_param_importances(study, evaluator=evaluator)
    figure.update_layout(xaxis_title="", yaxis_title="")
    return [figure]
