"""A search as text: ranks, counts and saved epochs worked out by hand."""

from __future__ import annotations

import csv
import io
import math
import shlex
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from digits.runs.layout import RunError
from digits.tuning.results import Trial, outcome_of, setting_text
from digits.tuning.storage import read_search
from digits.tuning.table import csv_of, ranks, report_search, text_of
from tests.support.studies import study_of, trial_of, write_search

HERE = Path("outputs/tune/cnn")


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """The directory of a search of 12 trials."""
    return write_search(tmp_path, 12)


def hand_trials() -> list[FrozenTrial]:
    return [
        trial_of(0.9, epochs=10, seconds=20.0, directory="trials/0000", params={"lr": 0.5},
                 overrides=["optimizer.lr=0.5", "model.channels=[[1],[2,3]]"]),
        trial_of(None, TrialState.PRUNED, curve={0: 0.3, 1: 0.4}, params={"lr": 0.25}),
        trial_of(0.95, epochs=8, directory="trials/0002", overrides=["optimizer.lr=0.1"], params={"lr": 0.1}),
        trial_of(None, TrialState.FAIL, reason="it was killed\nat once", directory="trials/0003"),
        trial_of(None, TrialState.FAIL, reason="superseded"),
        trial_of(None, TrialState.PRUNED, curve={0: 0.5}, epochs=3, params={"lr": 0.75}),
        trial_of(0.9, epochs=10, retried=[4], params={"lr": 0.125}),
        trial_of(None, TrialState.RUNNING, curve={0: 0.99}),
    ]  # fmt: skip


def hand_text(*, markdown: bool = False) -> str:
    study = study_of(hand_trials(), max_epochs=10, base=["model=cnn", "optimizer.lr=1"])
    study.set_user_attr("test", {"trial": 2, "accuracy": 0.9942, "loss": 0.017})
    return text_of(outcome_of(study), HERE, markdown=markdown)


def test_table_by_hand() -> None:
    lines = hand_text().splitlines()
    assert lines[0] == "by hand, a search for most val/accuracy, in outputs/tune/cnn"
    assert lines[1] == "7 trials: 3 complete, 2 pruned, 1 failed, 1 running"
    rows = [line.split() for line in lines[3:12]]
    assert rows[0] == ["rank", "trial", "lr", "val/accuracy", "epochs", "seconds", "state"]
    assert rows[2:] == [
        ["1", "2", "0.1", "95.00", "%", "8", "complete"],
        ["2", "0", "0.5", "90.00", "%", "10", "20.0", "complete"],  # the first of two equals
        ["3", "4", "0.125", "90.00", "%", "10", "complete"],
        ["5", "0.75", "(50.00", "%)", "3", "pruned"],  # got further than the other
        ["1", "0.25", "(40.00", "%)", "2", "pruned"],
        ["3", "failed"],
        ["7", "(99.00", "%)", "1", "running"],
    ]


def test_below_the_table_by_hand() -> None:
    text = hand_text()
    # trained 10 + 2 + 8 + 3 + 10; without pruning 10 + 10 + 8 + 10 + 10, since trial 2 stopped by itself
    assert "33 of 48 epochs trained: pruning saved 31 % of the epochs\n" in text
    assert "best trial by val/accuracy, 95.00 %: 2, outputs/tune/cnn/trials/0002\n" in text
    assert "test accuracy 99.42 %, loss 0.0170, the only trial that the test set was used for\n" in text
    assert "trained again by python -m digits.train callbacks=trial model=cnn optimizer.lr=0.1\n" in text
    assert text.endswith("\nfailed:\n  3, outputs/tune/cnn/trials/0003: it was killed at once\n")
    assert "superseded" not in text
    assert "Pareto" not in text


def test_the_command_can_be_pasted() -> None:
    study = study_of(hand_trials()[:1], base=["+model.new=1"])
    (line,) = [line for line in text_of(outcome_of(study), HERE).splitlines() if line.startswith("trained again by ")]
    assert shlex.split(line.removeprefix("trained again by ")) == [
        "python", "-m", "digits.train", "callbacks=trial",
        "+model.new=1", "optimizer.lr=0.5", "model.channels=[[1],[2,3]]",
    ]  # fmt: skip


def test_a_trial_with_lengths_of_its_own_would_have_trained_as_long() -> None:
    cut = trial_of(None, TrialState.PRUNED, epochs=5, overrides=["trainer.max_epochs=20"])
    assert outcome_of(study_of([cut], max_epochs=10)).epochs == (5, 20)
    assert outcome_of(study_of([cut, trial_of(None, TrialState.PRUNED, epochs=4)])).epochs == (9, 24)


def test_several_objectives_have_a_front_and_a_sort() -> None:
    trials = [trial_of(values, directory=f"trials/{i}", epochs=1)
              for i, values in enumerate([(0.9, 300.0), (0.8, 100.0), (0.85, 400.0)])]  # fmt: skip
    outcome = outcome_of(study_of(trials, ("val/accuracy", "parameters")))
    text = text_of(outcome, HERE)
    assert "a search for most val/accuracy and least parameters" in text
    assert text.endswith(
        "\nPareto front, the trials that no other beats in one objective without losing in another:\n"
        "  0, outputs/tune/cnn/trials/0: val/accuracy 90.00 %, parameters 300\n"
        "  1, outputs/tune/cnn/trials/1: val/accuracy 80.00 %, parameters 100\n"
    )
    assert [trial.number for _, trial in ranks(outcome)] == [0, 2, 1]
    assert [trial.number for _, trial in ranks(outcome, 1)] == [1, 0, 2]
    assert "best trial by parameters, 100: 1, outputs/tune/cnn/trials/1" in text_of(outcome, HERE, 1)
    assert "3 epochs trained; pruning saved none of them" in text


def test_infinite_values_have_no_rank() -> None:
    outcome = outcome_of(study_of([trial_of(math.inf), trial_of(2.0), trial_of(-math.inf)], ("val/loss",)))
    assert [(rank, trial.number) for rank, trial in ranks(outcome)][-1] == (None, 0)
    best = outcome.best()
    assert isinstance(best, Trial)
    assert best.number == 1


def test_csv_is_exact() -> None:
    study = study_of(
        [trial_of(1 / 3, params={"a,b": "x", "lr": 0.1}, epochs=2, directory="trials/0000"), *hand_trials()[1:2]]
    )
    rows = list(csv.DictReader(io.StringIO(csv_of(outcome_of(study), HERE))))
    assert rows[0] == {
        "rank": "1", "trial": "0", "state": "complete", "a,b": "x", "lr": "0.1", "val/accuracy": repr(1 / 3),
        "last": "", "epochs": "2", "seconds": "", "directory": "outputs/tune/cnn/trials/0000", "reason": "",
    }  # fmt: skip
    assert (rows[1]["rank"], rows[1]["val/accuracy"], rows[1]["last"]) == ("", "", "0.4")


def test_markdown_is_the_same_table() -> None:
    lines = hand_text(markdown=True).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 7
    assert "best trial by val/accuracy, 95.00 %: 2, `outputs/tune/cnn/trials/0002`" in lines
    assert lines[-3:] == ["failed:", "", "- 3, `outputs/tune/cnn/trials/0003`: it was killed at once"]
    piped = text_of(outcome_of(study_of([trial_of(0.1, params={"a|b": "c|d"})])), HERE, markdown=True)
    assert r"a\|b" in piped
    assert r"c\|d" in piped


def test_a_search_that_has_just_begun() -> None:
    assert text_of(outcome_of(study_of([])), HERE) == (
        "by hand, a search for most val/accuracy, in outputs/tune/cnn\n0 trials\n"
    )
    waiting = text_of(outcome_of(study_of([trial_of(None, TrialState.WAITING)])), HERE)
    assert "1 trial: 1 waiting" in waiting
    assert waiting.endswith("no best trial: none is complete\n")


def test_a_study_made_elsewhere() -> None:
    study = study_of([trial_of((1.0, 2.0))], ("val/loss", "x"))
    study.set_user_attr("definition", ["odd"])
    study.set_user_attr("test", 3)
    assert "a search for least objective 1 and least objective 2" in text_of(outcome_of(study), HERE)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    trial = trial_of(None, TrialState.FAIL, reason="\x1b[2J", directory="\x1b[1m", params={"\x1b[3m": "\x1b[4m"})
    assert "\x1b" not in text_of(outcome_of(study_of([trial])), HERE)


def test_settings_as_one_types_them() -> None:
    assert [setting_text(s) for s in (True, None, 3, 0.00123456, 1e-7, "[[1]]")] == [
        "true", "null", "3", "0.001235", "1e-07", "[[1]]"
    ]  # fmt: skip


def test_a_search_is_read_from_its_directory(search: Path) -> None:
    text = report_search(search)
    assert text.startswith(f"cnn_cnn, a search for most val/accuracy, in {search}\n12 trials: ")
    assert f"{search}/trials/0007: a loss that is not finite, at step 13 of epoch 1" in text
    assert len(report_search(search, "val/accuracy", as_csv=True).splitlines()) == 13


def test_refusals_name_what_is_wrong(search: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^cnn_cnn has no objective val/f1; there are: val/accuracy$"):
        report_search(search, "val/f1")
    (search / "search.sqlite").unlink()
    with pytest.raises(RunError, match=r"has lost its study: there is no search.sqlite"):
        read_search(search)
    with pytest.raises(RunError, match=r"is not a search directory: it has no search\.json$"):
        read_search(tmp_path / "other")
