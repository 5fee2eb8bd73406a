"""A search's figures hold what its study does, read here trial by trial; none fails on an odd study."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from digits.tuning.plots import plots_of
from tests.support.studies import LISTS, study_of, toy_study, trial_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def figures(study: optuna.Study, name: str) -> list[Figure]:
    drawn = plots_of(study)[name]
    assert not isinstance(drawn, str), drawn
    return drawn


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    """Complete, pruned and failed trials, and one that was cut off and begun again under another number."""
    found = toy_study(30)
    states = {trial.state for trial in found.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    cut = trial_of(None, TrialState.FAIL, params={"lr": 0.01}, curve={0: 0.4})
    again = trial_of(0.999, params={"lr": 0.02}, curve={0: 0.5, 1: 0.999}, retried=[30])
    found.add_trials([cut, again, trial_of(0.7, params={"lr": 0.03}, curve={0: 0.7})])
    return found


def shown(study: optuna.Study) -> dict[int, optuna.trial.FrozenTrial]:
    """The trials by the numbers that plots name: 31 stands for 30."""
    return {{31: 30}.get(trial.number, trial.number): trial for trial in study.trials if trial.number != 30}


def test_history_is_every_complete_trial_and_the_best_so_far(study: optuna.Study) -> None:
    (figure,) = figures(study, "history")
    values = {n: 100 * t.values[0] for n, t in shown(study).items() if t.state == TrialState.COMPLETE}
    dots, line, *_ = figure.data
    assert dict(zip(dots.x, dots.y, strict=True)) == pytest.approx(values)
    best = [max((v for n, v in values.items() if n <= number), default=-math.inf) for number in line.x]
    assert list(line.y) == pytest.approx(best)
    assert figure.layout.yaxis.title.text == "val/accuracy, %"


def test_curves_are_what_was_reported_and_tell_who_was_pruned(study: optuna.Study) -> None:
    (figure,) = figures(study, "curves")
    told = {n: t for n, t in shown(study).items() if t.state != TrialState.FAIL}
    assert {trace.name for trace in figure.data} == {f"Trial{number}" for number in told}
    for trace in figure.data:
        trial = told[int(trace.name[5:])]
        curve = {epoch: 100 * value for epoch, value in trial.intermediate_values.items()}
        assert dict(zip(trace.x, trace.y, strict=True)) == pytest.approx(curve)
        assert (trace.line.dash == "dot") == (trial.state == TrialState.PRUNED)


def test_parallel_has_a_line_for_each_complete_trial_with_its_values(study: optuna.Study) -> None:
    (figure,) = figures(study, "parallel")
    lines = [dict(trace.customdata) for trace in figure.data if trace.mode == "lines"]
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    expected = [
        {"val/accuracy, %": f"{100 * t.values[0]:.3g}", "lr": f"{t.params['lr']:.3g}",
         "optimizer": t.params.get("optimizer", "None"), "momentum": f"{t.params['momentum']:.3g}"
         if "momentum" in t.params else "None"}
        for t in complete
    ]  # fmt: skip
    for line, trial in zip(lines, expected, strict=True):
        assert {name: line[name] for name in trial} == trial


def test_slices_are_one_plot_a_parameter_with_its_trials(study: optuna.Study) -> None:
    drawn = {figure.layout.xaxis.title.text: figure for figure in figures(study, "slices_0")}
    assert list(drawn) == ["lr", "dropout", "channels", "batch_size", "optimizer", "momentum"]
    for name, figure in drawn.items():
        pairs = [
            (trial.params[name] if isinstance(trial.params[name], float | int) else repr(trial.params[name]), number)
            for number, trial in shown(study).items()
            if trial.state == TrialState.COMPLETE and name in trial.params
        ]
        (dots,) = figure.data
        assert sorted(zip(dots.x, dots.marker.color, strict=True)) == sorted(pairs)
        assert list(dots.y) == pytest.approx([100 * shown(study)[number].values[0] for number in dots.marker.color])
    assert drawn["lr"].layout.xaxis.type == "log"


def test_front_by_hand() -> None:
    values = [(0.9, 100.0), (0.8, 50.0), (0.85, 200.0), (0.95, 300.0), (0.8, 50.0), (0.7, 60.0), (0.99, math.inf)]
    found = study_of([trial_of(pair, params={"a": 1}) for pair in values], ("val/accuracy", "parameters"))
    (figure,) = figures(found, "pareto")
    beaten, front = ({json.loads(text.replace("<br>", ""))["number"] for text in trace.text} for trace in figure.data)
    # 2 and 5 are beaten by 0 and 1; 1 and 4 are equal, so that neither beats the other; 6 is no value
    assert (beaten, front) == ({2, 5}, {0, 1, 3, 4})
    points = sorted(zip(figure.data[1].x, figure.data[1].y, strict=True))
    assert points == [(80, 50), (80, 50), (90, 100), (95, 300)]
    titles = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    assert titles == ("val/accuracy, %", "parameters")


def test_importance_finds_what_matters_of_each_objective() -> None:
    """Also of one that is to be high: PED-ANOVA takes the lowest for the best where it is given a target."""
    found = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1))
    found.optimize(lambda t: (-abs(t.suggest_float("x", 0, 1) - 0.3), t.suggest_float("y", 0, 1)), 60)
    for i, name in enumerate("xy"):
        (bars,) = figures(found, f"importances_{i}")[0].data
        shares = dict(zip(bars.y, bars.x, strict=True))
        assert shares[name] > 0.7
        assert sum(shares.values()) == pytest.approx(1)


def test_a_conditional_parameter_counts_among_the_importances(study: optuna.Study) -> None:
    (bars,) = figures(study, "importances_0")[0].data
    assert "momentum" in bars.y


def test_too_few_and_constant_parameters_are_told() -> None:
    few = study_of([trial_of(0.1 * i, params={"x": 0.1 * i}) for i in range(1, 10)])
    assert "at least 10" in plots_of(few)["importances_0"]
    constant = study_of([trial_of(0.1 * i, params={"x": 0.5}, distributions={"x": FloatDistribution(0.5, 0.5)})
                         for i in range(10)])  # fmt: skip
    assert "stands out" in plots_of(constant)["importances_0"]


ODD = {
    "no trial": (study_of([]), {"history", "curves"}),
    "one trial": (study_of([trial_of(0.9, params={"lr": 0.01}, curve={0: 0.9})]), {"importances_0"}),
    "none complete": (study_of([
        trial_of(None, TrialState.PRUNED, params={"lr": 0.1}, curve={0: math.nan}),
        trial_of(None, TrialState.FAIL, reason="no room"),
        trial_of(None, TrialState.RUNNING, params={"lr": 0.1}), trial_of(None, TrialState.WAITING),
    ]), {"history"}),
    "no parameter": (study_of([trial_of(0.5)]), {"curves", "parallel"}),
    "infinite": (study_of([trial_of(v, params={"lr": 0.1}) for v in (math.inf, -math.inf, 0.5)], ("val/loss",)),
                 {"curves", "importances_0"}),
    "not a number": (study_of([trial_of(0.5, curve={0: math.nan, 1: 0.4}, params={"lr": 0.1})]), {"importances_0"}),
    "many long names": (study_of([
        trial_of(0.5 + i / 100, params={"channels": name}, distributions={"channels": CategoricalDistribution(names)})
        for names in [[*LISTS, *(f"[[{2**i}],[{2**i},{2**i}],[{3**i},{3**i}]]" for i in range(17))]]
        for i, name in enumerate(names)
    ]), {"curves"}),
    "one of two": (study_of([trial_of((0.9, 5.0), params={"a": 1})], ("val/accuracy", "parameters")),
                   {"importances_0", "importances_1"}),
    "none of two": (study_of([trial_of(None, TrialState.FAIL)], ("val/accuracy", "parameters")),
                    {"history", "curves"}),
    "three": (study_of([trial_of((0.9, 5.0, 1.0), params={"a": i}) for i in range(9)],
                       ("val/accuracy", "x", "seconds")), {"importances_0", "importances_1", "importances_2"}),
    "four": (study_of([trial_of((0.9, 5.0, 1.0, 2.0))], ("val/accuracy", "x", "y", "z")), {"pareto", "parallel"}),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_drawn_is_a_sentence(case: str) -> None:
    found, sentences = ODD[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of the objectives' names
        drawn = plots_of(found)
    assert {name for name, plots in drawn.items() if isinstance(plots, str)} == sentences
    assert all(str(plots).endswith(".") for name, plots in drawn.items() if name in sentences)
