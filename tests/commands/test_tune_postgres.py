"""One search by several processes on a real PostgreSQL, as machines that share a database would make it."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from digits.tuning.storage import superseded
from tests.support.commands import digits
from tests.support.searches import begin, check_whole, end, study_in, wait_for

SEARCH = Path("outputs", "tune", "logistic")
TRIALS = 8


class Server:
    """A PostgreSQL of our own on loopback, which keeps its port and its data when it is stopped."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._run("initdb", "--username", "digits", "--auth", "trust", "--no-sync")

    @property
    def url(self) -> str:
        """Its database."""
        return f"postgresql://digits@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Until it answers."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "--log", str(self._folder / "log"), "--wait", "--options", options, "start")

    def stop(self) -> None:
        """At once, as if its machine had lost its power."""
        self._run("pg_ctl", "--mode", "immediate", "--wait", "stop")

    def _run(self, name: str, *arguments: str) -> None:
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []  # it refuses to run as root
        command = [*as_user, str(self._binaries / name), "--pgdata", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, cwd=self._folder, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that runs; without PostgreSQL this is left out and says so, never in CI."""
    found = shutil.which("initdb") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    if found is None:
        message = "PostgreSQL's initdb is not on this machine: searches on a shared database were not tried"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="digits-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(Path(found).parent, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: Server) -> str:
    """The URL of the server's database."""
    return server.url


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Path]:
    """A folder for each machine: they share the database and no file."""

    def machine(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    return machine


def test_several_processes_make_one_search_and_a_killed_one_loses_nothing(
    database: str, machine: Callable[[str], Path]
) -> None:
    """Three workers on three machines, one killed halfway, another joining later and asked for two trials more."""
    shared = (f"tune.storage={database}", "tune.retries=9", "tune.name=shared")
    folders = [machine(name) for name in "abc"]
    places = [folder / "outputs" / "tune" / "shared" for folder in folders]
    first, second = (begin(folder, *shared, f"tune.trials={TRIALS}") for folder in folders[:2])
    wait_for(lambda: len(list(places[0].glob("trials/*/result.json"))) >= 2, first)
    first.kill()
    first.communicate()
    third = begin(folders[2], *shared, f"tune.trials={TRIALS + 2}")
    assert int(re.findall(r"(\d+) complete", end(second))[-1]) >= TRIALS
    assert f"{TRIALS + 2} complete" in end(third)
    found = check_whole(study_in(places[1], database), places, TRIALS + 2)
    hosts = [sum((place / str(t.user_attrs["directory"]) / "result.json").exists() for t in found) for place in places]
    assert all(hosts[1:]), f"each machine had its share: {hosts}"
    assert superseded(study_in(places[1], database).trials), "the killed one's trial was begun again"


def test_workers_that_are_killed_at_random_lose_no_trial_and_count_none_twice(
    database: str, machine: Callable[[str], Path]
) -> None:
    draw = random.Random(1)
    shared = (f"tune.storage={database}", "tune.trials=8", "tune.retries=50", "tune.name=random")
    folders = [machine(name) for name in "ab"]
    workers = [begin(folder, *shared) for folder in folders]
    for _ in range(6):
        time.sleep(draw.uniform(2, 6))
        which = draw.randrange(2)
        workers[which].send_signal(signal.SIGKILL)
        workers[which].communicate()
        workers[which] = begin(folders[which], *shared)
    for worker in workers:
        end(worker)
    places = [folder / "outputs" / "tune" / "random" for folder in folders]
    check_whole(study_in(places[0], database), places, 8)


def test_a_search_in_a_database_is_reported_where_it_is_named(database: str, machine: Callable[[str], Path]) -> None:
    folder = machine("a")
    address = database.replace("digits@", "digits:secret@")
    end(begin(folder, f"tune.storage={address}", "tune.trials=2"))
    assert not [path for path in (folder / SEARCH).rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    refused = digits("report", str(SEARCH), cwd=folder)
    assert refused.returncode == 2
    assert f"--storage {database}" in refused.stderr
    told = digits("report", str(SEARCH), "--storage", address, cwd=folder)
    assert "2 trials: 2 complete" in told.stdout
    study = study_in(folder / SEARCH, database)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2


def test_a_database_that_goes_away_ends_a_search_with_one_sentence_and_it_goes_on_later(
    server: Server, machine: Callable[[str], Path]
) -> None:
    folder = machine("a")
    command = (f"tune.storage={server.url}", "tune.trials=4", "tune.name=away", "trainer.max_epochs=4")
    search = begin(folder, *command)
    place = folder / "outputs" / "tune" / "away"
    wait_for(lambda: len(list(place.glob("trials/*/result.json"))) >= 2, search)
    server.stop()
    try:
        said, _ = search.communicate(timeout=120)
    finally:
        server.start()
    assert search.returncode == 1, said
    assert "can't write the study: " in said
    assert "Traceback" not in said
    end(begin(folder, *command))
    check_whole(study_in(place, server.url), [place], 4)


def test_a_database_that_is_not_there_is_refused_with_one_sentence(tmp_path: Path) -> None:
    done = digits("tune", "model=logistic", "tune.storage=postgresql://digits@127.0.0.1:9/digits", cwd=tmp_path)
    assert done.returncode == 2
    assert "tune.storage: can't be reached: " in done.stderr
    assert "Traceback" not in done.stderr
