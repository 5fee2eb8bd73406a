"""The study of a running search: created or loaded, shared by workers, with retries of its interrupted trials."""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from typing_extensions import override

from digits.config.absent import completed
from digits.config.faults import ConfigError, Fault
from digits.config.task import task_from, task_in
from digits.config.types import Tree
from digits.runs.layout import RESULT, RunError
from digits.tuning.results import directions
from digits.tuning.storage import (
    COMMAND,
    DEATHS,
    DIRECTORY,
    FILE,
    KNOWN,
    LEFT,
    NO_DRIVER,
    OVERRIDES,
    REASON,
    TRIALS,
    address,
    engine_arguments,
    first_line,
    is_cut_off,
    superseded,
)

log = logging.getLogger(__name__)

FREE = {("data", "root"), ("data", "mirrors"), ("checkpoints",), ("checkpoint_minutes",), ("trust",)}
"""Keys of the configuration that may differ on another start or machine: they change no metric."""


class SharedStudy:
    """A study, and a lock for what only one worker may do at a time, on this machine and on others.

    `command` is a random id by which the workers of one command recognise their trials.
    """

    def __init__(self, directory: Path, name: str, url: str | None, heartbeat: int, retries: int) -> None:
        self.directory, self.name, self._retries = directory, name, retries
        self.command = secrets.token_hex(8)
        self._lock = None if url else directory / f".{FILE}.lock"
        self.storage = _storage(directory, url, heartbeat)

    def create(self, definition: Tree) -> Study:
        """The study, created if there is none yet; raises ConfigError if it belongs to another search."""
        objective = definition["objective"]
        assert isinstance(objective, list)
        which = directions(map(str, objective), task_from(definition.get("task")))
        with self.alone():
            known = {
                study.study_name for study in optuna.get_all_study_summaries(self.storage, include_best_trial=False)
            }
            if self.name in known:
                study = self.study()
                _check_same(study, definition)
                return study
            if any((self.directory / TRIALS).glob(f"*/{RESULT}")):
                why = f"{self.directory} holds trials that its storage doesn't know; move them, or use another name"
                raise ConfigError(Fault("tune.name", why))
            study = optuna.create_study(study_name=self.name, storage=self.storage, directions=which)
            study.set_user_attr("definition", definition)
        return study

    def study(self) -> Study:
        """The existing study; raises RunError if there is none."""
        try:
            return optuna.load_study(study_name=self.name, storage=self.storage)
        except KeyError:
            raise RunError(f"the storage of {self.directory} has no search named {self.name}") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of the storage, against other processes and machines."""
        if self._lock is not None:
            with FileLock(self._lock):  # a new one each time: filelock refuses one from before a fork
                yield
            return
        with self.storage.engine.connect() as opened:  # of PostgreSQL; the lock ends with the connection
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            key = {"name": f"digits search {self.name}"}
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(hashtext(:name))"), key)
            try:
                yield
            finally:
                connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(hashtext(:name))"), key)

    def disconnect(self) -> None:
        """Close every connection before this process forks; the next query opens a new one."""
        self.storage.engine.dispose()

    def beat(self, trial: Trial | FrozenTrial) -> None:
        """Write a trial's heartbeat."""
        self.storage.record_heartbeat(_key(trial))

    def retry(self, study: Study) -> None:
        """Queue a retry of each interrupted trial. Call it with the lock held, before a trial is claimed.

        A trial that failed by itself has a reason. One without was asked to exit, or died with its process or its
        machine, which its old heartbeat shows. Each gets at most one retry, even if this method is interrupted. A trial
        that has died too often without a new epoch in between fails.
        """
        optuna.storages.fail_stale_trials(study)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # Its worker was killed while claiming it, before its first heartbeat; no other worker is claiming now
            if OVERRIDES not in trial.user_attrs:
                self.storage.set_trial_state_values(_key(trial), TrialState.FAIL)
        trials = study.get_trials(deepcopy=False)
        gone = superseded(trials)
        for trial in trials:
            if is_cut_off(trial) and trial.number not in gone:
                died = LEFT not in trial.user_attrs
                before = 0 if len(trial.intermediate_values) > trial.user_attrs.get(KNOWN, 0) else _deaths(trial)
                if died and before + 1 > self._retries:
                    why = f"its process or its machine died {before + 1} times, with no epoch in between"
                    _add_retry(study, trial, TrialState.FAIL, {REASON: why, COMMAND: self.command})
                else:
                    known = {KNOWN: len(trial.intermediate_values)}
                    _add_retry(study, trial, TrialState.WAITING, known | {DEATHS: before + died})


def _deaths(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(DEATHS, 0))


def _add_retry(study: Study, trial: FrozenTrial, state: TrialState, more: Mapping[str, object]) -> None:
    """Add a retry of a trial, with its parameters, its directory, and its state in samplers and pruners."""
    history = [*trial.system_attrs.get("retry_history", []), trial.number]
    kept = {name: trial.user_attrs[name] for name in (DIRECTORY,) if name in trial.user_attrs}
    # Successive halving computes its rungs again from its values; with copied ones it would compete with itself
    known = {name: value for name, value in trial.system_attrs.items() if not name.startswith("completed_rung_")}
    study.add_trial(
        optuna.create_trial(
            state=state,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=kept | dict(more),
            system_attrs=known | {"failed_trial": history[0], "retry_history": history},
            intermediate_values=trial.intermediate_values,
        )
    )


def definition(objective: list[str], space: object, base: Tree, pruner: Tree) -> Tree:
    """The definition of a search, which must not change: all its trials are compared."""
    plain: Tree = json.loads(json.dumps({"objective": objective, "space": space, "pruner": pruner}))
    trainer = base["trainer"]
    assert isinstance(trainer, dict)
    task = task_in(base)
    return plain | {"config": _comparable(base), "max_epochs": trainer["max_epochs"], "task": task.tree()}


def _comparable(base: Tree) -> Tree:
    tree: Tree = json.loads(json.dumps(base))
    for path in FREE:
        section: object = tree
        for part in path[:-1]:
            section = section.get(part) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.pop(path[-1], None)
    return tree


def _completed(definition: Tree) -> Tree:
    """The configuration in a search's definition, with keys added that are newer than it."""
    config = definition.get("config")
    return completed(config) if isinstance(config, dict) else {}


def _check_same(study: Study, asked: Tree) -> None:
    former = study.user_attrs.get("definition")
    former = former if isinstance(former, dict) else {}
    changed = [key for key in ("objective", "space", "pruner", "heartbeat") if former.get(key) != asked.get(key)]
    changed = [
        {"space": "search_space", "objective": "tune.objective", "heartbeat": "tune.heartbeat"}.get(key, key)
        for key in changed
    ]
    then, now = (_completed(tree) for tree in (former, asked))
    changed += _differing(then, now)
    if changed:
        why = f"{study.study_name} was begun with another {', '.join(changed)}; its trials can't be compared with new "
        raise ConfigError(Fault("tune.name", why + "ones: use another name, or the former values"))


def _differing(former: object, now: object, path: str = "") -> list[str]:
    """The keys at which two configurations differ."""
    if not (isinstance(former, dict) and isinstance(now, dict)):
        return [] if former == now else [path or "configuration"]
    keys = dict.fromkeys([*former, *now])
    return [
        key for name in keys for key in _differing(former.get(name), now.get(name), f"{path}.{name}" if path else name)
    ]


# ---- The storage --------------------------------------------------------------------------------


ATTEMPTS = 10  # to create the tables of a database while other processes create them too


class Storage(RDBStorage):
    """Optuna's storage, but a failed heartbeat is only logged: the storage may be unavailable for a moment."""

    @override
    def record_heartbeat(self, trial_id: int) -> None:
        try:
            super().record_heartbeat(trial_id)
        except (StorageInternalError, SQLAlchemyError) as error:
            log.warning("no heartbeat could be written: %s", first_line(error))


def _opened(directory: Path, url: str | None, heartbeat: int) -> Storage:
    """The storage with its tables, which several processes may create at the same moment."""
    place, arguments = address(url), engine_arguments(directory, url)
    for _ in range(ATTEMPTS):
        with suppress(IntegrityError, ProgrammingError):  # another process created a table first
            return Storage(place, arguments, heartbeat_interval=heartbeat, grace_period=3 * heartbeat)
        time.sleep(0.5)
    return Storage(place, arguments, heartbeat_interval=heartbeat, grace_period=3 * heartbeat)


def _storage(directory: Path, url: str | None, heartbeat: int) -> RDBStorage:
    """The storage; raises ConfigError if it can't be reached."""
    lock = FileLock(directory / f".{FILE}.lock") if url is None else nullcontext()
    try:
        with lock:
            storage = _opened(directory, url, heartbeat)
    except ImportError:
        raise ConfigError(Fault("tune.storage", NO_DRIVER)) from None
    except (ArgumentError, ValueError):
        why = "is not a database URL; give postgresql://USER@HOST:PORT/DATABASE"
        raise ConfigError(Fault("tune.storage", why)) from None
    except OperationalError as error:
        why = f"can't be reached: {first_line(error.orig or error)}; start the server, or correct the URL"
        raise ConfigError(Fault("tune.storage", why)) from None
    if url is None:
        _write_one_by_one(storage.engine)
    return storage


def _write_one_by_one(engine: sqlalchemy.Engine) -> None:
    """Make SQLite's transactions wait for each other from their start.

    By default a transaction that reads first and writes later fails at once if another has written in between.
    """

    @sqlalchemy.event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections that were made before


def _key(trial: Trial | FrozenTrial) -> int:
    """What the storage knows a trial by, for which Optuna has no public name."""
    return trial._trial_id
