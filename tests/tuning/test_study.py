from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from digits.config.faults import ConfigError
from digits.runs.layout import SEARCH, RunError
from digits.tuning.storage import (
    DEATHS,
    FILE,
    KNOWN,
    LEFT,
    REASON,
    counted,
    note,
    number_of,
    place_of,
    read_search,
)
from digits.tuning.study import SharedStudy, definition
from tests.tuning.fakes import BASE, LINE, shared_in, tune_of


def failed(shared: SharedStudy, **attributes: object) -> int:
    """A trial that was drawn and ended without success."""
    study = shared.study()
    study.sampler = optuna.samplers.RandomSampler(seed=3)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("directory", f"trials/{trial.number:04d}")
    trial.report(0.5, 1)
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    study.tell(trial, state=TrialState.FAIL)
    return trial.number


def trials_of(shared: SharedStudy) -> list[FrozenTrial]:
    return shared.study().get_trials()


def test_a_trial_that_was_interrupted_is_retried_once(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    failed(shared)
    for _ in range(3):
        shared.retry(shared.study())
    first, second = trials_of(shared)
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.WAITING)
    assert second.params == first.params
    assert second.user_attrs["directory"] == "trials/0000"
    assert second.intermediate_values == {1: 0.5}
    assert number_of(second) == 0
    assert [trial.number for trial in counted([first, second])] == [1]


def test_a_trial_that_failed_by_itself_is_not(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    failed(shared, **{REASON: "no memory"})
    shared.retry(shared.study())
    assert len(trials_of(shared)) == 1


def test_a_trial_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of(retries=2))
    failed(shared)
    for deaths in (1, 2):
        study = shared.study()
        shared.retry(study)
        again = study.ask()  # takes the waiting one
        assert again.user_attrs[DEATHS] == deaths
        study.tell(again, state=TrialState.FAIL)
    for _ in range(2):  # and no more than once
        shared.retry(shared.study())
    (given_up,) = counted(trials_of(shared))
    assert given_up.state == TrialState.FAIL
    assert "died 3 times, with no epoch in between" in given_up.user_attrs[REASON]
    assert number_of(given_up) == 0


def test_a_trial_that_dies_after_each_epoch_is_retried_as_often(tmp_path: Path) -> None:
    """A search may be killed at any moment, however often."""
    shared = shared_in(tmp_path, tune_of(retries=1))
    failed(shared)
    for epoch in range(2, 8):
        study = shared.study()
        shared.retry(study)
        again = study.ask()
        assert again.user_attrs[DEATHS] == 1
        again.report(0.5, epoch)
        study.tell(again, state=TrialState.FAIL)


def test_being_asked_to_exit_is_no_death(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of(retries=0))
    failed(shared, **{LEFT: ""})
    shared.retry(shared.study())
    assert trials_of(shared)[1].user_attrs == {"directory": "trials/0000", DEATHS: 0, KNOWN: 1}


def test_a_trial_is_retried_when_its_heartbeat_is_old(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of(heartbeat=1))
    study = shared.study()
    trial = study.ask()
    shared.beat(trial)
    trial.set_user_attr("overrides", [])
    shared.retry(study)
    assert [t.state for t in trials_of(shared)] == [TrialState.RUNNING]
    with shared.storage.engine.begin() as connection:  # three heartbeats and more; SQLite's clock has whole seconds
        connection.exec_driver_sql("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-5 seconds')")
    shared.retry(study)
    assert [t.state for t in trials_of(shared)] == [TrialState.FAIL, TrialState.WAITING]


def test_a_trial_that_was_killed_while_it_was_claimed_is_retried_at_once(tmp_path: Path) -> None:
    """It has no heartbeat yet that could grow old."""
    shared = shared_in(tmp_path, tune_of())
    with shared.alone():
        shared.study().ask()
    shared.retry(shared.study())
    assert [t.state for t in trials_of(shared)] == [TrialState.FAIL, TrialState.WAITING]


def test_trials_of_a_search_that_is_lost_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    (tmp_path / "trials" / "0000" / "result.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tune.name: .* holds trials that its storage doesn't know; move them"):
        shared_in(tmp_path, tune_of())


def test_a_trial_that_is_retried_competes_in_no_halving_with_itself(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1)
    study = shared.study()
    study.sampler, study.pruner = optuna.samplers.RandomSampler(seed=1), pruner
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.report(0.5, 1)
    trial.should_prune()
    assert "completed_rung_0" in trials_of(shared)[0].system_attrs
    shared.retry(shared.study())
    again = trials_of(shared)[1]
    assert again.intermediate_values == {1: 0.5}
    assert set(again.system_attrs) == {"failed_trial", "retry_history"}


@pytest.mark.parametrize(
    ("objective", "space", "base", "named"),
    [
        (["val/loss"], LINE, BASE, "tune.objective"),
        (["val/accuracy"], {"x": {**LINE["x"], "high": 2.0}}, BASE, "search_space"),  # type: ignore[dict-item]  # a tree
        (["val/accuracy"], LINE, BASE | {"trainer": {"max_epochs": 9}}, "trainer.max_epochs"),
        (["val/accuracy"], LINE, BASE | {"seed": 1}, "seed"),
    ],
)
def test_another_search_of_the_same_name_is_refused(
    tmp_path: Path, objective: list[str], space: object, base: dict[str, object], named: str
) -> None:
    shared = shared_in(tmp_path, tune_of())
    with pytest.raises(ConfigError, match=rf"^tune.name: test was begun with another {named}; .* another name"):
        shared.create(definition(objective, space, base, {}))  # type: ignore[arg-type]  # a tree


def test_what_changes_no_figure_may_change(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    elsewhere = BASE | {"data": {"root": "elsewhere", "mirrors": ["http://localhost/"]}}
    shared.create(definition(["val/accuracy"], LINE, elsewhere, {}))


def test_the_note_of_a_search_keeps_no_password(tmp_path: Path) -> None:
    note(tmp_path, "test", "postgresql://user:secret@localhost/digits")
    assert json.loads((tmp_path / SEARCH).read_text()) == {
        "format": 1,
        "name": "test",
        "storage": "postgresql://user@localhost/digits",
    }
    note(tmp_path, "test", "postgresql://localhost/digits?user=a&password=secret")
    assert "secret" not in (tmp_path / SEARCH).read_text()


@pytest.mark.parametrize("url", ["postgres://u:secret@h:abc/db", "postgresql://u:secret@h:abc/db"])
def test_an_address_that_is_none_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"^tune.storage: is not a database URL; give postgresql://"):
        SharedStudy(tmp_path, "test", url, 5, 2)


def test_no_directory_out_of_the_search_is_taken_for_a_trials(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    numbers = [failed(shared, directory=name) for name in ("/etc", "trials/../..", "trials/0001", "trials/0001/..")]
    assert [place_of(trials_of(shared)[number]) for number in numbers] == [None, None, "trials/0001", None]


def test_a_search_is_read_from_its_directory(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    failed(shared)
    note(tmp_path, "test", None)
    study = read_search(tmp_path)
    assert study.study_name == "test"
    assert len(study.trials) == 1


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda path: (path / SEARCH).unlink(), r"is not a search directory: it has no search\.json"),
        (lambda path: (path / SEARCH).write_text("{}"), r"search.json is damaged: .* study"),
        (lambda path: (path / FILE).unlink(), "has lost its study: there is no search.sqlite"),
        (lambda path: (path / FILE).write_text("no database, but text" * 100), "can't be read from its storage"),
    ],
)
def test_what_can_not_be_read_is_a_sentence(tmp_path: Path, break_it: object, message: str) -> None:
    shared_in(tmp_path, tune_of())
    note(tmp_path, "test", None)
    assert callable(break_it)
    break_it(tmp_path)
    with pytest.raises(RunError, match=message):
        read_search(tmp_path)


def _claim(directory: Path, number: int) -> None:
    """One process of several that all want the same few trials."""
    shared = SharedStudy(directory, "test", None, 5, 2)
    while True:
        with shared.alone():
            study = shared.study()
            study.sampler = optuna.samplers.RandomSampler(seed=number)
            if len(study.get_trials(deepcopy=False)) >= 20:
                return
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            study.tell(trial, 0.5)


def test_processes_claim_exactly_as_many_trials_as_there_are(tmp_path: Path) -> None:
    shared = shared_in(tmp_path, tune_of())
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_claim, args=(tmp_path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(trial.number for trial in trials_of(shared)) == list(range(20))


def test_a_database_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^tune.storage: can't be reached: .*; start the server, or correct the URL"):
        SharedStudy(tmp_path, "test", "postgresql://nobody@127.0.0.1:9/digits", 5, 2)


def test_nobody_is_connected_to_a_server_that_only_a_file_names(tmp_path: Path) -> None:
    note(tmp_path, "test", "postgresql://127.0.0.1:9/digits")
    with pytest.raises(RunError, match=r"in a database; name it with --storage postgresql://127.0.0.1:9/"):
        read_search(tmp_path)
