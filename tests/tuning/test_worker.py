"""A worker's turns, in this process: what it claims, what comes of it, and what is printed of that."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import cast

import pytest
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from digits.config.faults import ConfigError, Fault
from digits.config.types import Tree
from digits.processes import child
from digits.processes.signals import Interrupted
from digits.runs.atomic import write_json
from digits.runs.layout import NONFINITE, RESULT, JobDied, JobFailed
from digits.tuning.storage import LEFT, REASON, counted, number_of
from digits.tuning.winner import best_trials
from digits.tuning.worker import TrialJob, Worker, given_up
from tests.tuning.fakes import at_once, epoch_by_epoch, value_of, worker_in, write_record


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system that can't fork."""
    monkeypatch.setattr(child, "CAN_FORK", False)


def trials_of(worker: Worker) -> list[FrozenTrial]:
    return worker.shared.study().get_trials()


def why_given_up(worker: Worker) -> str:
    return given_up(trials_of(worker), worker.shared.command)


def without_data(job: TrialJob) -> None:
    """A trial that fails as all others will."""
    write_record(job, "failed", error="no MNIST here")
    raise JobFailed("no MNIST here")


def test_a_worker_trains_as_many_trials_as_it_was_asked_for(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, at_once, trials=12)
    worker.work()
    trials = trials_of(worker)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
    assert [job.directory.name for job in worker.jobs] == [f"{n:04d}" for n in range(12)]
    for trial in trials:
        assert trial.values == [trial.params["x"]]
        assert trial.user_attrs["overrides"] == [f"some.x={trial.params['x']}"]


def test_a_search_that_resumes_draws_nothing_again(tmp_path: Path) -> None:
    for trials in (4, 8):  # a sampler with the same seed would draw the first four again
        worker_in(tmp_path, at_once, trials=trials).work()
    values = [trial.params["x"] for trial in trials_of(worker_in(tmp_path, at_once))]
    assert len(set(values)) == 8
    (tmp_path / "whole").mkdir()
    whole = worker_in(tmp_path / "whole", at_once, trials=8)
    whole.work()
    assert [trial.params["x"] for trial in trials_of(whole)] == values


@pytest.mark.parametrize("claimed", [0, 1, 3])
def test_a_trial_that_was_killed_before_it_was_drawn_is_not_drawn_like_another(tmp_path: Path, claimed: int) -> None:
    """Its retry and the next trial once had one seed."""
    worker = worker_in(tmp_path, at_once, trials=6)
    for _ in range(claimed):
        worker.step()
    with worker.shared.alone():
        worker.shared.study().ask()  # and the process is gone
    worker.work()
    trials = counted(trials_of(worker))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert len({trial.params["x"] for trial in trials}) == 6


def test_hopeless_trials_are_pruned(tmp_path: Path) -> None:
    pruner: Tree = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 3, "n_warmup_steps": 2}
    worker = worker_in(tmp_path, epoch_by_epoch, pruner=pruner, trials=12)
    worker.work()
    trials = trials_of(worker)
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
    def diverge(job: TrialJob) -> None:
        write_record(job, "failed", error="the loss is nan")
        (job.directory / NONFINITE).touch()
        raise JobFailed("the loss is nan")

    worker = worker_in(tmp_path, diverge, trials=1)
    worker.work()
    (trial,) = trials_of(worker)
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs[REASON] == "the loss is nan"


def test_a_trial_that_fails_counts_and_the_others_go_on(tmp_path: Path) -> None:
    def fails_once(job: TrialJob) -> None:
        if job.directory.name == "0001":
            write_record(job, "failed", error="the model is on fire")
            raise JobFailed("the model is on fire")
        at_once(job)

    worker = worker_in(tmp_path, fails_once, trials=4)
    worker.work()
    assert [trial.state for trial in trials_of(worker)].count(TrialState.FAIL) == 1
    assert len(worker.jobs) == 4
    assert "       the model is on fire" in worker.rows


def test_a_trial_whose_values_can_not_be_together_fails(tmp_path: Path) -> None:
    def refuse(_own: list[str], _directory: Path) -> tuple[None, list[str]]:
        raise ConfigError(Fault("some.x", "is too much"))

    worker = worker_in(tmp_path, at_once, take_up=refuse, trials=2)
    worker.work()
    assert not worker.jobs
    assert {trial.user_attrs[REASON] for trial in trials_of(worker)} == {"some.x: is too much"}


def test_a_search_in_which_no_trial_succeeds_is_given_up(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, without_data, trials=50)
    worker.work()
    assert len(worker.jobs) == 3
    assert why_given_up(worker) == "no trial succeeds: no MNIST here"


def test_a_trial_whose_process_dies_is_trained_again_and_counted_once(tmp_path: Path) -> None:
    def dies_at_first(job: TrialJob) -> None:
        died = job.directory / "died"
        if job.directory.name == "0001" and not died.exists():
            died.touch()
            raise JobDied("killed by signal 9")
        at_once(job)

    worker = worker_in(tmp_path, dies_at_first, trials=4)
    worker.work()
    trials = counted(trials_of(worker))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    assert {0, 1} < set(map(number_of, trials)), "a trial keeps its number"
    twice = [value_of(job) for job in worker.jobs if job.directory.name == "0001"]
    assert len(twice) == 2
    assert twice[0] == twice[1]
    assert "    1  interrupted: killed by signal 9" in worker.rows


def test_a_trial_that_dies_too_often_has_failed_and_the_search_is_given_up(tmp_path: Path) -> None:
    def dies(_: TrialJob) -> None:
        raise JobDied("killed by signal 9")

    worker = worker_in(tmp_path, dies, trials=9, retries=1)
    worker.work()
    assert len(worker.jobs) == 2 * 3
    assert "died 2 times" in why_given_up(worker)


def test_a_trial_whose_record_is_whole_is_not_trained_again(tmp_path: Path) -> None:
    """A search that was killed between a trial's end and its own note of it."""

    def ends_unheard(job: TrialJob) -> None:
        write_record(job)
        raise JobDied("the search was killed")

    worker = worker_in(tmp_path, ends_unheard, trials=1, retries=1)
    worker.work()
    (trial,) = counted(trials_of(worker))
    assert trial.state == TrialState.COMPLETE
    assert len(worker.jobs) == 1


def test_being_asked_to_exit_keeps_the_trial_for_later(tmp_path: Path) -> None:
    def leave(_: TrialJob) -> None:
        raise Interrupted(signal.SIGTERM)

    first = worker_in(tmp_path, leave, trials=2, retries=0)
    with pytest.raises(SystemExit, match="143"):
        first.work()
    assert trials_of(first)[0].user_attrs[LEFT] == ""
    again = worker_in(tmp_path, at_once, trials=2, retries=0)
    again.work()
    trials = counted(trials_of(again))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert min(map(number_of, trials)) == 0, "a trial keeps its number"


def test_a_grid_is_searched_once_through(tmp_path: Path) -> None:
    section: Tree = {
        "x": {"type": "int", "key": "some.x", "low": 1, "high": 3},
        "y": {"type": "categorical", "key": "some.y", "choices": ["a", "b"]},
    }
    worker = worker_in(tmp_path, at_once, section, {"_target_": "optuna.samplers.GridSampler"}, trials=50)
    worker.work()
    pairs = sorted((trial.params["x"], trial.params["y"]) for trial in trials_of(worker))
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
    worker = worker_in(tmp_path, at_once, section, cast(Tree, sampler), trials=24)
    worker.work()
    trials = trials_of(worker)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 24
    assert {frozenset(trial.params) for trial in trials} == {
        frozenset({"x", "kind", "of_a"}),
        frozenset({"x", "kind", "of_b"}),
    }
    assert all(("of_a" in trial.params) == (trial.params["kind"] == "a") for trial in trials)
    drawn = [trial.params["x"] for trial in trials]
    assert name == "random" or sum(drawn[12:]) > sum(drawn[:12]), "what was good is drawn again"


def test_hyperband_goes_on_with_trials_that_die(tmp_path: Path) -> None:
    def dies_once(job: TrialJob) -> None:
        died = job.directory / "died"
        if int(job.directory.name) % 3 == 1 and not died.exists():
            job.report(1, value_of(job) / 4)
            died.touch()
            raise JobDied("killed by signal 9")
        epoch_by_epoch(job)

    pruner: Tree = {"min_resource": 1, "max_resource": 4, "reduction_factor": 2}
    worker = worker_in(tmp_path, dies_once, pruner={"_target_": "optuna.pruners.HyperbandPruner", **pruner}, trials=15)
    worker.work()
    trials = counted(trials_of(worker))
    assert len(trials) == 15
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert max(trials, key=lambda trial: trial.params["x"]).state == TrialState.COMPLETE, "the best was pruned"


def test_only_the_best_keep_their_weights(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, at_once, trials=6, keep=2)
    worker.work()
    best = {str(trial.user_attrs["directory"]) for trial in best_trials(worker.shared.study())[:2]}
    kept = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("trials/*/model.safetensors")}
    assert kept == best


def test_several_objectives_give_a_front(tmp_path: Path) -> None:
    def trade(job: TrialJob) -> None:
        write_record(job, parameters=round(1000 * value_of(job) ** 2))

    worker = worker_in(tmp_path, trade, trials=6, objective=["val/accuracy", "parameters"])
    worker.work()
    assert len(best_trials(worker.shared.study())) == 6, "more accuracy costs more parameters here"
    assert all(job.objective is None for job in worker.jobs), "nothing is pruned"
    assert len(list(tmp_path.glob("trials/*/model.safetensors"))) == 6


def test_a_trial_without_a_number_fails(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, lambda job: write_record(job, metrics={}), trials=1)
    worker.work()
    assert trials_of(worker)[0].user_attrs[REASON] == "its val/accuracy is missing or not finite"


def test_a_search_that_is_done_does_nothing(tmp_path: Path) -> None:
    worker_in(tmp_path, at_once, trials=3).work()
    again = worker_in(tmp_path, at_once, trials=3)
    again.work()
    assert not again.jobs


def test_a_trial_that_another_worker_took_over_is_trained_to_its_end_and_counted_once(tmp_path: Path) -> None:
    lost: list[TrialJob] = []

    def lose_once(job: TrialJob) -> None:
        if not lost:
            trial = worker.shared.study().trials[0]
            worker.shared.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)  # as if it were dead
            lost.append(job)
        epoch_by_epoch(job)

    worker = worker_in(tmp_path, lose_once, trials=1)
    worker.work()
    (trial,) = counted(trials_of(worker))
    assert trial.state == TrialState.COMPLETE
    assert trial.values == [trial.params["x"]]
    assert [job.directory.name for job in worker.jobs] == ["0000"], "its whole record is found"
    assert any("heartbeat" in row for row in worker.rows)


def test_a_full_disk_stops_the_search_and_fails_no_trial(tmp_path: Path) -> None:
    def stuck(job: TrialJob) -> None:
        write_record(job, "failed", error="no space left")
        raise JobFailed("no space left", storage=True)

    worker = worker_in(tmp_path, stuck, trials=3, retries=0)
    worker.work()
    assert len(worker.jobs) == 1
    assert why_given_up(worker) == "no space left"
    again = worker_in(tmp_path, at_once, trials=3, retries=0)
    again.work()
    assert [trial.state for trial in counted(trials_of(again))] == [TrialState.COMPLETE] * 3


def test_a_machine_on_which_no_trial_succeeds_leaves_them_to_others(tmp_path: Path) -> None:
    worker_in(tmp_path, at_once, trials=2).work()
    broken = worker_in(tmp_path, without_data, trials=50)
    broken.work()
    assert len(broken.jobs) == 3
    assert "no MNIST here" in why_given_up(broken)


def test_what_made_an_earlier_start_hopeless_may_be_gone(tmp_path: Path) -> None:
    worker_in(tmp_path, without_data, trials=6).work()
    again = worker_in(tmp_path, at_once, trials=6)
    again.work()
    assert [trial.state for trial in trials_of(again)].count(TrialState.COMPLETE) == 3


def test_a_record_of_another_trial_is_not_taken_for_this_one(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, at_once, trials=1)
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    write_json(tmp_path / "trials" / "0000" / RESULT, {"status": "done", "metrics": {"val/accuracy": 2.0}})
    worker.work()
    assert len(worker.jobs) == 1
    assert trials_of(worker)[0].values == [trials_of(worker)[0].params["x"]]


# ---- What is printed ------------------------------------------------------------------------------


def cells(row: str) -> list[str]:
    return re.split(r"\s{2,}", row.strip())


def test_the_table_has_a_row_for_each_trial_of_this_command(tmp_path: Path) -> None:
    worker_in(tmp_path, at_once, trials=1).work()
    worker = worker_in(tmp_path, at_once, trials=3)
    worker.work()
    head, second, third = map(cells, worker.rows)
    assert head == ["trial", "val/accuracy", "best", "epochs", "left", "x"]
    values = [trial.params["x"] for trial in trials_of(worker)]
    assert second[:5] == ["1", "complete", f"{100 * values[1]:.2f} %", f"{100 * max(values[:2]):.2f} %", "4"]
    assert third[3] == f"{100 * max(values):.2f} %"
    assert third[5:] == ["0:00:00", f"{values[2]:.4g}"]


def test_a_row_says_which_was_the_best_when_its_trial_ended(tmp_path: Path) -> None:
    """However late it is looked at."""
    worker = worker_in(tmp_path, at_once, trials=6)
    while worker.step():
        pass
    worker.progress.show()
    values = [trial.params["x"] for trial in trials_of(worker)]
    assert [cells(row)[3] for row in worker.rows[1:]] == [f"{100 * max(values[: n + 1]):.2f} %" for n in range(6)]


def test_the_table_says_front_where_there_is_one_and_nothing_where_nothing_is_known(tmp_path: Path) -> None:
    def trade(job: TrialJob) -> None:
        if job.directory.name == "0001":
            write_record(job, "failed", error="the model is on fire", epochs=None)
            raise JobFailed("the model is on fire")
        write_record(job, parameters=1_333_770)

    worker = worker_in(tmp_path, trade, trials=3, objective=["parameters", "val/accuracy"])
    worker.work()
    _, first, second, reason, _ = map(cells, worker.rows)
    assert first[:3] == ["0", "complete", "1,333,770"]
    assert first[4] == "front"
    assert second[:6] == ["1", "failed", "–", "–", "front", "–"]
    assert reason == ["the model is on fire"]
