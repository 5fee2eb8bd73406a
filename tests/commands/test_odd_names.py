"""Runs and searches below folders whose names mean something to SQLite, Optuna, Hydra, logging or a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import QUICK, digits, only_run, result_of
from tests.support.searches import SMALL, study_in

ODD = """-a?b{y}{} 50%s #[c]*;=,&:é日~'"$HOME\\"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def test_a_search_is_made_longer_and_read_in_a_folder_of_any_name(odd: Path) -> None:
    for trials in (1, 2):
        done = digits("tune", *SMALL, f"tune.trials={trials}", cwd=odd)
        assert done.returncode == 0, done.stdout + done.stderr
    assert f"1 of 2 trials are done; {odd}/outputs/tune/logistic" in done.stdout
    assert len(study_in(odd / "outputs" / "tune" / "logistic").trials) == 2
    report = digits("report", "outputs/tune/logistic", cwd=odd)
    assert "2 trials: 2 complete" in report.stdout
    assert [path.name for path in odd.parent.iterdir()] == [ODD], "nothing is written elsewhere"


def test_a_search_may_be_put_into_such_a_folder(tmp_path: Path) -> None:
    """Named in Hydra's quotes while it isn't there, plainly when it is."""
    for name in ("'out?put{y}, 50%s'", "out?put{y}, 50%s"):
        done = digits("tune", *SMALL, "tune.trials=1", f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out?put{y}, 50%s"]
    assert len(study_in(tmp_path / "out?put{y}, 50%s").trials) == 1


def test_a_run_goes_on_in_a_folder_of_any_name(odd: Path) -> None:
    assert digits("train", *QUICK, cwd=odd).returncode == 0
    run = only_run(odd)
    done = digits("train", f"resume={run}", "trainer.max_epochs=3", cwd=odd.parent)
    assert done.returncode == 0, done.stderr
    assert (result_of(run)["status"], result_of(run)["epochs"]) == ("done", 3)
    assert [path.name for path in odd.parent.iterdir()] == [ODD]


@pytest.mark.parametrize("command", ["train", "tune"])
def test_hydra_would_fill_in_the_name_of_this_folder(tmp_path: Path, command: str) -> None:
    """The run would be somewhere else than it is said to be."""
    folder = tmp_path / "${oc.env:HOME}"
    folder.mkdir()
    done = digits(command, *QUICK, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Hydra would fill in the ${{…}} of this folder's name, {folder}; start from one without\n"
    assert list(folder.iterdir()) == []
