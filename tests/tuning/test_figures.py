"""A search's figures: what they draw is compared with numbers worked out by hand; none may fail on an odd study."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
import numpy.typing as npt
import optuna
import pytest
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from PIL import Image

from digits.plots.theme import THEMES, Theme
from digits.tuning.plotting import figures
from digits.tuning.plotting.axis import Axis, number, objective_axis, parameter_axis, percentage, shortened
from digits.tuning.plotting.canvas import LOOKS
from digits.tuning.plotting.figures import best_so_far, curves, draw_all, figures_of, history, pareto
from digits.tuning.plotting.importance import TOO_FEW, importances
from digits.tuning.plotting.parameters import parallel, slices
from digits.tuning.results import Objective, Outcome, Span, outcome_of
from tests.tuning.studies import LISTS, study_of, toy_study, trial_of

LOOK = LOOKS["light"]
ACCURACY, LOSS = Objective("val/accuracy", maximize=True), Objective("val/loss", maximize=False)


def outcome(*arguments: object, objectives: tuple[str, ...] = ("val/accuracy",)) -> Outcome:
    return outcome_of(study_of(list(arguments), objectives))  # type: ignore[arg-type]  # trials


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [text.get_text() for text in figure.texts]


def numbers(data: npt.ArrayLike) -> list[float]:
    return [float(value) for value in np.asarray(data, dtype=float)]


def ys(figure: Figure, place: int = 0) -> list[float]:
    return numbers(figure.axes[0].lines[place].get_ydata())


def test_best_so_far_by_hand() -> None:
    cut = trial_of(None, TrialState.PRUNED, curve={0: 0.99})
    trials = [trial_of(0.8), trial_of(0.7), cut, trial_of(0.9), trial_of(0.9), trial_of(0.85)]
    found = outcome(*trials)
    assert best_so_far(found) == [(0, 0.8), (3, 0.9)]  # an equal value is no better, a pruned one is no value
    figure = history(found, LOOK)
    assert figure.axes[0].lines[0].get_xdata() == pytest.approx([0, 3, 5])
    # the axis reaches from 0.7 to 0.9
    assert ys(figure) == pytest.approx([0.5, 1.0, 1.0])
    assert "90.00 %, trial 3" in texts(figure)
    assert best_so_far(outcome(*trials[:2], objectives=("val/loss",))) == [(0, 0.8), (1, 0.7)]


def test_history_tells_states_apart() -> None:
    found = outcome(
        trial_of(0.5), trial_of(0.6), trial_of(None, TrialState.FAIL, reason="no room"),
        trial_of(None, TrialState.PRUNED, curve={0: 0.1, 1: 0.55}),
        trial_of(None, TrialState.PRUNED, curve={0: math.nan}),
    )  # fmt: skip
    figure = history(found, LOOK)
    offsets = {c.get_label(): np.asarray(c.get_offsets()).tolist() for c in figure.axes[0].collections}
    assert offsets["complete"] == [[0, 0], [1, 1]]
    assert offsets["failed"] == [[2, 0]]
    assert np.asarray(offsets["pruned"]) == pytest.approx(np.array([[3, 0.5]]))  # its last value; NaN has no place


def test_curves_of_pruned_trials_end_where_they_were_cut() -> None:
    whole = dict(enumerate([0.5, 0.6, 0.7, 0.8]))
    found = outcome(trial_of(0.8, curve=whole), trial_of(None, TrialState.PRUNED, curve={0: 0.55, 1: 0.5}))
    figure = curves(found, LOOK)
    lines = [numbers(line.get_xdata()) for line in figure.axes[0].lines]
    assert [1, 2] in lines
    assert [1, 2, 3, 4] in lines
    assert lines.index([1, 2]) < lines.index([1, 2, 3, 4])  # the best on top
    assert max(map(max, filter(None, lines))) == 4


def test_parallel_has_gaps_where_a_trial_has_no_such_parameter() -> None:
    ranges = {"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 10), "c": FloatDistribution(0.001, 1, log=True)}

    def trial(value: float, **params: object) -> optuna.trial.FrozenTrial:
        return trial_of(value, params=params, distributions={**ranges})

    found = outcome(trial(0.6, a=0.25, c=0.1), trial(0.9, a=0.5, b=5.0, c=0.001))
    figure = parallel(found, LOOK)
    lines = [numbers(line.get_xdata()) for line in figure.axes[0].lines]
    # from top to bottom: b, which one trial lacks, then a, c on a logarithmic axis, and the value
    assert lines[0] == pytest.approx([math.nan, 0.25, 2 / 3, 0.0], nan_ok=True)
    assert lines[1] == pytest.approx([0.5, 0.5, 0.0, 1.0])
    names = [text for text in texts(figure) if text in {"a", "b", "c", "val/accuracy"}]
    assert names == ["b", "a", "c", "val/accuracy"]


def test_slices_have_a_plot_for_each_parameter_with_its_values() -> None:
    ranges = {"lr": FloatDistribution(1e-4, 1, log=True)}
    cut = trial_of(None, TrialState.PRUNED, params={"lr": 1.0}, distributions={**ranges}, curve={0: 0.2})
    low, high = (trial_of(v, params={"lr": lr}, distributions={**ranges}) for lr, v in ((1e-4, 0.6), (1e-2, 0.7)))
    found = outcome(low, high, cut)
    plot = slices(found, LOOK).axes[0]
    assert np.asarray(plot.collections[0].get_offsets()) == pytest.approx(np.array([[0, 0], [0.5, 1]]))
    assert plot.lines[0].get_xdata() == pytest.approx([1])
    assert [label.get_text() for label in plot.get_xticklabels()] == ["1e-4", "1e-3", "0.01", "0.1", "1"]


def test_front_by_hand() -> None:
    values = [(0.9, 100.0), (0.8, 50.0), (0.85, 200.0), (0.95, 300.0), (0.8, 50.0), (0.7, 60.0)]
    found = outcome(*map(trial_of, values), objectives=("val/accuracy", "parameters"))
    # 2 and 5 are beaten by 0 and 1; 1 and 4 are equal, so that neither beats the other
    assert [trial.number for trial in found.front] == [3, 0, 1, 4]
    figure = pareto(found, LOOK)
    offsets = {c.get_label(): len(c.get_offsets()) for c in figure.axes[0].collections}  # type: ignore[arg-type]  # arrays
    assert offsets == {"beaten by another": 2, "Pareto front": 4}
    assert {"0", "1", "3"} == set(texts(figure))  # 4 lies on 1


def test_importance_finds_what_matters() -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda t: -abs(t.suggest_float("x", 0, 1) - 0.3) + 0 * t.suggest_float("y", 0, 1), 60)
    (found,) = importances(study)
    assert found is not None
    assert list(found) == ["x", "y"]
    assert found["x"] > 0.7
    assert sum(found.values()) == pytest.approx(1)


def test_importance_of_each_objective_on_its_own() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), 60)
    first, second = importances(study)
    assert first is not None
    assert second is not None
    assert first["x"] > 0.7
    assert second["y"] > 0.7


def test_too_few_trials_for_importance_are_told() -> None:
    study = study_of([trial_of(0.1 * i, params={"x": 0.1 * i}) for i in range(1, 10)])
    assert importances(study) == [None]
    assert TOO_FEW == "Too few complete trials to tell what matters: it takes 10."
    found = outcome_of(study)
    assert texts(figures_of(study, found)["importance"](found, LOOK)) == [TOO_FEW]
    study.add_trial(trial_of(0.95, params={"x": 0.95}))
    assert importances(study) == [{"x": 1.0}]


def test_nothing_stands_out_among_constants() -> None:
    study = study_of([trial_of(0.1 * i, params={"x": 0.5}, distributions={"x": FloatDistribution(0.5, 0.5)})
                      for i in range(10)])  # fmt: skip
    assert importances(study) == [{}]
    found = outcome_of(study)
    assert texts(figures_of(study, found)["importance"](found, LOOK)) == ["No parameter stood out."]


def test_accuracies_have_an_axis_logarithmic_in_the_mistakes() -> None:
    axis = objective_axis(ACCURACY, [0.9, 0.99, 0.999])
    assert [axis.place(v) for v in (0.9, 0.99, 0.999)] == pytest.approx([0, 0.5, 1])
    assert [text for _, text in axis.ticks()] == ["90 %", "98 %", "99.5 %", "99.9 %"]
    assert objective_axis(ACCURACY, [0.5, 1.0]).place(1.0) == 1  # all right is no infinity
    assert objective_axis(ACCURACY, [0.98, 0.985]).kind == "linear"


def test_one_hopeless_trial_does_not_flatten_the_others() -> None:
    axis = objective_axis(LOSS, [*(0.1 + 0.01 * i for i in range(10)), 50.0])
    assert axis.place(0.19) == pytest.approx(1)
    assert axis.on_axis(50.0) == 1
    assert objective_axis(LOSS, [0.1, 50.0]).kind == "log"  # of two, neither is the outlier


def test_places_of_what_is_no_number() -> None:
    log = parameter_axis(Span(0.01, 1.0, log=True, whole=False))
    assert math.isnan(log.place(-1.0))
    assert math.isnan(log.place("a"))
    assert math.isnan(log.place(None))
    assert math.isnan(Axis("linear", 0, 1).place(math.nan))
    assert math.isnan(Axis("linear", 0, 1).on_axis(math.inf))
    names = parameter_axis(Span(0, 0, log=False, whole=False, choices=("a", "true")))
    assert [names.place("a"), names.place(True)] == [0.25, 0.75]
    assert math.isnan(names.place("unknown"))
    constant = parameter_axis(Span(3, 3, log=False, whole=True))
    assert (constant.place(3), constant.ticks()) == (0.5, [(0.5, "3")])


def test_tick_texts() -> None:
    assert [number(v) for v in (0, 0.0001, 2.5e-5, 0.01, 0.5, 1500, 65_000, 1_250_000, 3e9)] == [
        "0", "1e-4", "2.5e-5", "0.01", "0.5", "1500", "65k", "1.25M", "3G"
    ]  # fmt: skip
    assert [percentage(v) for v in (0.9, 0.995, 0.1 + 0.2)] == ["90 %", "99.5 %", "30 %"]
    assert shortened("[[16],[32,32],[64,64]]", 12) == "[[16],…,64]]"
    assert shortened("short", 12) == "short"


ODD = {
    "no trial": study_of([]),
    "one trial": study_of([trial_of(0.9, params={"lr": 0.01}, curve={0: 0.9})]),
    "none complete": study_of([
        trial_of(None, TrialState.PRUNED, params={"lr": 0.1}, curve={0: math.nan}),
        trial_of(None, TrialState.FAIL, reason="no room"),
        trial_of(None, TrialState.RUNNING, params={"lr": 0.1}), trial_of(None, TrialState.WAITING),
    ]),
    "constant": study_of([
        trial_of(0.5, params={"a": 2.0, "b": "only"},
                 distributions={"a": FloatDistribution(2, 2), "b": CategoricalDistribution(["only"])})
        for _ in range(12)
    ]),
    "infinite": study_of([trial_of(v, params={"lr": 0.1}) for v in (math.inf, -math.inf, 0.5)], ("val/loss",)),
    "no number": study_of([trial_of(0.5, curve={0: math.nan, 1: 0.4, 2: math.nan}, params={"lr": 0.1})]),
    "many long names": study_of([
        trial_of(0.5 + i / 100, params={"channels": name}, distributions={"channels": CategoricalDistribution(names)})
        for names in [[*LISTS, *(f"[[{2**i}],[{2**i},{2**i}],[{3**i},{3**i}]]" for i in range(17))]]
        for i, name in enumerate(names)
    ]),
    "hostile names": study_of([trial_of(0.5, params={"$\\frac$_<b>\x1b[31m": 0.1, "数字": "$x$", "": 1})]),
    "one of two": study_of([trial_of((0.9, 5.0), params={"a": 1})], ("val/accuracy", "parameters")),
    "none of two": study_of([trial_of(None, TrialState.FAIL)], ("val/accuracy", "parameters")),
    "three": study_of([trial_of((0.9, 5.0, 1.0), params={"a": i}) for i in range(9)],
                      ("val/accuracy", "x", "seconds")),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_studies_are_drawn_without_a_warning(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "LOOKS", {"light": LOOKS["light"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = draw_all(ODD[case])
    for image in images.values():
        picture = Image.open(io.BytesIO(image))
        assert picture.width == 1024
        assert np.asarray(picture.convert("L")).std() > 1  # something is on it


def test_two_hundred_trials_in_both_looks() -> None:
    images = draw_all(toy_study(200))
    names = ["history", "curves", "parallel", "importance", "slices"]
    assert list(images) == [(name, theme) for name in names for theme in ("light", "dark")]
    for name in names:
        light, dark = (np.asarray(Image.open(io.BytesIO(images[name, theme])).convert("L")) for theme in LOOKS)
        assert light.shape == dark.shape
        assert light.mean() > 200
        assert dark.mean() < 60


def test_one_trial_has_whole_numbers_beside_it() -> None:
    found = outcome(trial_of(0.9, params={"lr": 0.01}, curve={0: 0.9}))
    for figure, number_of_it in ((history(found, LOOK), "0"), (curves(found, LOOK), "1")):
        figure.draw_without_rendering()
        low, high = figure.axes[0].get_xlim()
        axis = figure.axes[0].xaxis
        ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        assert [label.get_text() for place, label in ticks if low <= place <= high] == [number_of_it]


def test_colours_are_those_of_the_page_about_a_data_set() -> None:
    assert {theme: Theme(*look[:4]) for theme, look in LOOKS.items()} == THEMES
