from __future__ import annotations

import re
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from digits.config.faults import ConfigError, Fault
from digits.config.instantiate import instantiate
from digits.config.types import Target, Tree
from digits.runs.atomic import write_json
from digits.runs.layout import NONFINITE
from digits.tuning.plan import Plan
from digits.tuning.results import Objective
from digits.tuning.search import Search
from digits.tuning.storage import REASON, counted, number_of
from digits.tuning.winner import best_trials
from digits.tuning.worker import Ended, Told, TrialJob
from tests.tuning.fakes import (
    WHATEVER,
    Fake,
    Silent,
    at_once,
    epoch_by_epoch,
    leave_record,
    search_in,
    space_of,
    tune_of,
    value_of,
    without_data,
    work,
)


def trials_of(search: Search) -> list[optuna.trial.FrozenTrial]:
    return search.memory.study().get_trials()


def test_a_search_trains_as_many_trials_as_it_was_asked_for(tmp_path: Path) -> None:
    search, trainers = search_in(tmp_path, tune_of(trials=12, workers=3)), [Fake(at_once) for _ in range(3)]
    work(search, *trainers)
    trials = trials_of(search)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
    trained = [task for trainer in trainers for task in trainer.tasks]
    assert sorted(task.directory.name for task in trained) == [f"{n:04d}" for n in range(12)]
    for trial in trials:
        assert trial.values == [trial.params["x"]]
        assert trial.user_attrs["overrides"] == [f"some.x={trial.params['x']}"]


def test_a_search_that_goes_on_draws_nothing_again(tmp_path: Path) -> None:
    for trials in (4, 8):  # a sampler that was seeded anew would draw the first four again
        work(search_in(tmp_path, tune_of(trials=trials)), Fake(at_once))
    values = [trial.params["x"] for trial in trials_of(search_in(tmp_path, tune_of()))]
    assert len(set(values)) == 8
    (tmp_path / "whole").mkdir()
    whole = search_in(tmp_path / "whole", tune_of(trials=8))
    work(whole, Fake(at_once))
    assert [trial.params["x"] for trial in trials_of(whole)] == values


def test_hopeless_trials_are_pruned(tmp_path: Path) -> None:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2)
    search = search_in(tmp_path, tune_of(trials=12), pruner=pruner)
    work(search, Fake(epoch_by_epoch))
    trials = trials_of(search)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        epoch, value = max(trial.intermediate_values.items())
        assert epoch >= 2
        before = [t.intermediate_values[epoch] for t in trials[: trial.number] if epoch in t.intermediate_values]
        assert value < sorted(before)[len(before) // 2] or value < sum(sorted(before)[:2]) / 2
        assert trial.user_attrs["epochs"] == epoch
    best = max(trials, key=lambda trial: trial.params["x"])
    assert best.state == TrialState.COMPLETE, "the best was pruned"


def test_a_trial_that_diverged_tells_the_sampler_so(tmp_path: Path) -> None:
    def diverge(task: TrialJob, _: Connection) -> Ended:
        leave_record(task, "failed", error="the loss is nan")
        (task.directory / NONFINITE).touch()
        return Ended("failed", "the loss is nan")

    search = search_in(tmp_path, tune_of(trials=1))
    work(search, Fake(diverge))
    (trial,) = trials_of(search)
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs[REASON] == "the loss is nan"


def test_a_trial_that_fails_counts_and_the_others_go_on(tmp_path: Path) -> None:
    def fails_once(task: TrialJob, _: Connection) -> Ended:
        if task.directory.name == "0001":
            leave_record(task, "failed", error="the net is on fire")
            return Ended("failed", "the net is on fire")
        return at_once(task, _)

    search = search_in(tmp_path, tune_of(trials=4))
    work(search, trainer := Fake(fails_once))
    assert [trial.state for trial in trials_of(search)].count(TrialState.FAIL) == 1
    assert len(trainer.tasks) == 4
    assert "       the net is on fire" in search._progress.rows  # type: ignore[attr-defined]  # a Silent


def test_a_trial_whose_values_can_not_be_together_fails(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=2))

    def refuse(_own: list[str], _directory: Path) -> tuple[None, list[str]]:
        raise ConfigError(Fault("some.x", "is too much"))

    search._take_up = refuse
    work(search, trainer := Fake(at_once))
    assert not trainer.tasks
    assert {trial.user_attrs[REASON] for trial in trials_of(search)} == {"some.x: is too much"}


def test_a_search_in_which_nothing_goes_well_is_given_up(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=50))
    work(search, trainer := Fake(without_data))
    assert len(trainer.tasks) == 3
    assert search.given_up == "no trial goes well: no MNIST here"


def test_a_trial_whose_process_dies_is_trained_again_and_counted_once(tmp_path: Path) -> None:
    def dies_at_first(task: TrialJob, _: Connection) -> Ended:
        died = task.directory / "died"
        if task.directory.name == "0001" and not died.exists():
            task.directory.mkdir(parents=True)
            died.touch()
            return Ended("died", "killed by signal 9")
        return at_once(task, _)

    search = search_in(tmp_path, tune_of(trials=4))
    work(search, trainer := Fake(dies_at_first))
    trials = counted(trials_of(search))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    assert {0, 1} < set(map(number_of, trials)), "a trial keeps its number"
    twice = [value_of(task) for task in trainer.tasks if task.directory.name == "0001"]
    assert len(twice) == 2
    assert twice[0] == twice[1]


def test_a_trial_whose_record_is_whole_is_not_trained_again(tmp_path: Path) -> None:
    """A search that was killed between a trial's end and its own note of it."""

    def ends_unheard(task: TrialJob, _: Connection) -> Ended:
        leave_record(task)
        return Ended("died", "the search was killed")

    first = search_in(tmp_path, tune_of(trials=1, retries=1))
    work(first, trainer := Fake(ends_unheard))
    (trial,) = counted(trials_of(first))
    assert trial.state == TrialState.COMPLETE
    assert len(trainer.tasks) == 1


def test_a_worker_whose_trainer_is_gone_says_so_and_another_goes_on(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=2))
    assert not search.work(Fake(lambda _task, _line: Ended("died", "the trainer too")))
    work(search, Fake(at_once))
    assert [trial.state for trial in counted(trials_of(search))] == [TrialState.COMPLETE] * 2


def test_being_asked_to_leave_keeps_the_trial_for_later(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=2, retries=0))

    def leave(_task: TrialJob, _line: Connection) -> Ended:
        search.stopping.set()
        return Ended("left")

    work(search, Fake(leave))
    again = search_in(tmp_path, tune_of(trials=2, retries=0))
    work(again, Fake(at_once))
    trials = counted(trials_of(again))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert min(map(number_of, trials)) == 0, "a trial keeps its number"


def test_a_grid_is_searched_once_through(tmp_path: Path) -> None:
    section: Tree = {
        "x": {"type": "int", "key": "some.x", "low": 1, "high": 3},
        "y": {"type": "categorical", "key": "some.y", "choices": ["a", "b"]},
    }

    def grid_sampler(_: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GridSampler({"x": [1, 2, 3], "y": ["a", "b"]}, seed=0)

    tune = tune_of(trials=50, workers=2)
    named = ("samplers.GridSampler", "pruners.NopPruner")
    grid, no_pruner = (Target.model_validate({"_target_": f"optuna.{name}"}) for name in named)
    plan = Plan(tune, space_of(section), grid, no_pruner, WHATEVER, [], lambda own, _: (WHATEVER, own))
    search = search_in(tmp_path, tune, section, grid_sampler, most=plan.most)
    work(search, Fake(at_once), Fake(at_once))
    pairs = sorted((trial.params["x"], trial.params["y"]) for trial in trials_of(search))
    assert pairs == [(x, y) for x in (1, 2, 3) for y in ("a", "b")]


@pytest.mark.parametrize("name", ["tpe", "cmaes", "random"])
def test_the_samplers_there_are_draw_parameters_that_depend_on_others(tmp_path: Path, name: str) -> None:
    section: Tree = {
        "x": {"type": "float", "key": "some.x", "low": 0.0, "high": 1.0},
        "kind": {"type": "categorical", "key": "some.kind", "choices": ["a", "b"]},
        "of_a": {"type": "float", "key": "some.rate", "low": 1.0, "high": 2.0, "when": {"kind": "a"}},
        "of_b": {"type": "int", "key": "some.rate", "low": 3, "high": 9, "when": {"kind": "b"}},
    }
    sampler = OmegaConf.to_container(OmegaConf.load(f"conf/sampler/{name}.yaml"))
    assert isinstance(sampler, dict)

    def engine(seed: int) -> optuna.samplers.BaseSampler:
        return cast(optuna.samplers.BaseSampler, instantiate(cast(Tree, sampler), seed=seed))

    search = search_in(tmp_path, tune_of(trials=24), section, engine)
    work(search, Fake(at_once))
    trials = trials_of(search)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 24
    assert {frozenset(trial.params) for trial in trials} == {
        frozenset({"x", "kind", "of_a"}),
        frozenset({"x", "kind", "of_b"}),
    }
    assert all(("of_a" in trial.params) == (trial.params["kind"] == "a") for trial in trials)
    drawn = [trial.params["x"] for trial in trials]
    assert name == "random" or sum(drawn[12:]) > sum(drawn[:12]), "what was good is drawn again"


def test_hyperband_goes_on_with_trials_that_die(tmp_path: Path) -> None:
    def dies_once(task: TrialJob, line: Connection) -> Ended:
        died = task.directory / "died"
        if int(task.directory.name) % 3 == 1 and not died.exists():
            task.directory.mkdir(parents=True, exist_ok=True)
            line.send(Told(1, value_of(task) / 4))
            line.recv()
            died.touch()
            return Ended("died", "killed by signal 9")
        return epoch_by_epoch(task, line)

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=4, reduction_factor=2)
    search = search_in(tmp_path, tune_of(trials=15), pruner=pruner)
    work(search, Fake(dies_once))
    trials = counted(trials_of(search))
    assert len(trials) == 15
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert max(trials, key=lambda trial: trial.params["x"]).state == TrialState.COMPLETE, "the best was pruned"


def test_only_the_best_keep_their_weights(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=6, keep=2))
    work(search, Fake(at_once))
    best = {str(trial.user_attrs["directory"]) for trial in best_trials(search.memory.study())[:2]}
    kept = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("trials/*/model.safetensors")}
    assert kept == best


def test_several_objectives_give_a_front(tmp_path: Path) -> None:
    def trade(task: TrialJob, _: Connection) -> Ended:
        leave_record(task, parameters=round(1000 * value_of(task) ** 2))
        return Ended()

    search = search_in(tmp_path, tune_of(trials=6, objective=["val/accuracy", "parameters"]))
    work(search, trainer := Fake(trade))
    assert len(best_trials(search.memory.study())) == 6, "more accuracy costs more parameters here"
    assert all(task.watched is None for task in trainer.tasks), "nothing is pruned"
    assert len(list(tmp_path.glob("trials/*/model.safetensors"))) == 6


def test_the_table_has_a_row_for_each_trial(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=2))
    progress = search._progress
    assert isinstance(progress, Silent)
    progress.begin(0, 2)
    work(search, Fake(at_once))
    head, first, second = progress.rows
    assert head.split() == ["trial", "val/accuracy", "best", "epochs", "left", "x"]
    values = [trial.params["x"] for trial in trials_of(search)]
    first_value, best_value = (f"{100 * value:.2f} %" for value in (values[0], max(values)))
    assert re.split(r"\s{2,}", first.strip())[:5] == ["0", "complete", first_value, first_value, "4"]
    assert re.split(r"\s{2,}", second.strip())[3] == best_value
    assert re.split(r"\s{2,}", second.strip())[5:] == ["0:00:00", f"{values[1]:.4g}"]


def test_a_trial_without_a_number_fails(tmp_path: Path) -> None:
    def blank(task: TrialJob, _: Connection) -> Ended:
        leave_record(task, metrics={})
        return Ended()

    search = search_in(tmp_path, tune_of(trials=1))
    work(search, Fake(blank))
    assert trials_of(search)[0].user_attrs[REASON] == "it has no val/accuracy that is a number"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_that_is_done_does_nothing(tmp_path: Path, workers: int) -> None:
    work(search_in(tmp_path, tune_of(trials=3)), Fake(at_once))
    trainers = [Fake(at_once) for _ in range(workers)]
    work(search_in(tmp_path, tune_of(trials=3)), *trainers)
    assert not any(trainer.tasks for trainer in trainers)


def test_a_trial_that_another_worker_took_over_is_trained_to_its_end_and_counted_once(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=1))
    lost: list[TrialJob] = []

    def lose_once(task: TrialJob, line: Connection) -> Ended:
        if not lost:
            study = search.memory.study()
            study._storage.set_trial_state_values(study.trials[0]._trial_id, TrialState.FAIL)  # as if it were dead
            lost.append(task)
        return epoch_by_epoch(task, line)

    trainer = Fake(lose_once)
    assert search.work(trainer)
    (trial,) = counted(trials_of(search))
    assert trial.state == TrialState.COMPLETE
    assert trial.values == [trial.params["x"]]
    assert [task.directory.name for task in trainer.tasks] == ["0000"], "its whole record is found"


def test_a_full_disk_stops_the_search_and_fails_no_trial(tmp_path: Path) -> None:
    def stuck(task: TrialJob, _: Connection) -> Ended:
        leave_record(task, "failed", error="no space left")
        return Ended("stuck", "no space left")

    search = search_in(tmp_path, tune_of(trials=3, retries=0))
    work(search, trainer := Fake(stuck))
    assert len(trainer.tasks) == 1
    assert search.given_up == "no space left"
    again = search_in(tmp_path, tune_of(trials=3, retries=0))
    work(again, Fake(at_once))
    assert [trial.state for trial in counted(trials_of(again))] == [TrialState.COMPLETE] * 3


def test_a_machine_on_which_nothing_goes_well_leaves_the_trials_to_others(tmp_path: Path) -> None:
    work(search_in(tmp_path, tune_of(trials=2)), Fake(at_once))
    broken = search_in(tmp_path, tune_of(trials=50))
    work(broken, trainer := Fake(without_data))
    assert len(trainer.tasks) == 3
    assert broken.given_up == "no trial goes well: no MNIST here"


def test_the_table_says_front_where_there_is_one_and_nothing_where_nothing_is_known(tmp_path: Path) -> None:
    def trade(task: TrialJob, _: Connection) -> Ended:
        if task.directory.name == "0001":
            leave_record(task, "failed", error="the net is on fire", epochs=None)
            return Ended("failed", "the net is on fire")
        leave_record(task, parameters=1_333_770)
        return Ended()

    objective = ["parameters", "val/accuracy"]
    search = search_in(tmp_path, tune_of(trials=3, objective=objective))
    progress = search._progress = Silent(search.space, [Objective.named(name) for name in objective])
    progress.begin(0, 3)
    work(search, Fake(trade))
    _, first, second, reason, _ = (re.split(r"\s{2,}", row.strip()) for row in progress.rows)
    assert first[:3] == ["0", "complete", "1,333,770"]
    assert first[4] == "front"
    assert second[:6] == ["1", "failed", "–", "–", "front", "–"]
    assert reason == ["the net is on fire"]


def test_what_made_an_earlier_start_hopeless_may_be_gone(tmp_path: Path) -> None:
    work(search_in(tmp_path, tune_of(trials=6)), Fake(without_data))
    again = search_in(tmp_path, tune_of(trials=6))
    work(again, Fake(at_once))
    assert [trial.state for trial in trials_of(again)].count(TrialState.COMPLETE) == 3


def test_a_record_of_another_trial_is_not_taken_for_this_one(tmp_path: Path) -> None:
    search = search_in(tmp_path, tune_of(trials=1))
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    write_json(tmp_path / "trials" / "0000" / "result.json", {"status": "done", "metrics": {"val/accuracy": 2.0}})
    work(search, trainer := Fake(at_once))
    assert len(trainer.tasks) == 1
    assert trials_of(search)[0].values == [trials_of(search)[0].params["x"]]
