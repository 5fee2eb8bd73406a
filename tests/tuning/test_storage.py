"""Where a study is kept: a file in the search's directory, whatever that is called, or a database."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from digits.tuning.storage import FILE, WAIT, address, note, read_search
from digits.tuning.study import SharedStudy
from tests.tuning.fakes import shared_in, tune_of

ODD_NAMES = ["a?b", "?x=1", "{y}", "{}", "%", "%s", "%3F", "#1", "a b", "[a]", "*", "$HOME", "${x}", "it's", '"', ";",
             "a=b", "a,b", "&", "a:b", "file:a", ":shared:", "é", "-x", "~", "a\\b", "a\nb"]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_search_is_kept_in_its_directory_whatever_that_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = Path(name)  # relative, as a command has it
    directory.mkdir()
    shared_in(directory, tune_of()).study().ask()
    note(directory, "test", None)
    again = SharedStudy(directory, "test", None, 5, 2)
    assert len(again.study().trials) == 1
    assert len(read_search(directory).trials) == len(read_search(directory.absolute()).trials) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is written elsewhere"
    assert (directory / FILE).stat().st_size > 0
    monkeypatch.chdir("/")
    assert len(again.study().trials) == 1, "a connection made from elsewhere finds it too"


def _write(directory: Path) -> None:
    study = SharedStudy(directory, "test", None, 5, 2).study()
    for _ in range(8):
        trial = study.ask()
        trial.set_user_attr("a", trial.number)
        study.tell(trial, 0.5)


def test_processes_write_to_one_file_at_once(tmp_path: Path) -> None:
    """Their transactions wait for each other from their start."""
    shared = shared_in(tmp_path, tune_of())
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [trial.user_attrs for trial in shared.study().trials] == [{"a": number} for number in range(24)]
    with shared.storage.engine.connect() as writer:
        writer.exec_driver_sql("SELECT 1")
        other = sqlite3.connect(tmp_path / FILE, timeout=0.1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        assert writer.exec_driver_sql("PRAGMA busy_timeout").scalar() == 1000 * WAIT


@pytest.mark.parametrize("database", ["d{y}", "d{}", "d{0}"])
def test_braces_in_an_address_are_no_ones_to_fill_in(database: str) -> None:
    """Optuna formats an address."""
    assert make_url(address(f"postgresql://localhost/{database}").format()).database == database
