"""The storage of a search: one Optuna study, in a file beside the trials or in a database that machines share.

outputs/tune/NAME/
  search.json     the name of the study, and where it is stored
  search.sqlite   the study, unless it is in PostgreSQL
  trials/0000/    each trial's run directory, as `digits.runs.layout` describes it
  search.html, tune.log
"""

from __future__ import annotations

import logging
import re
import sqlite3
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import util
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from digits.config.faults import ConfigError
from digits.config.files import shown
from digits.runs.atomic import write_json
from digits.runs.layout import SEARCH, RunError
from digits.runs.read import read_search_note

log = logging.getLogger(__name__)

FILE, TRIALS = "search.sqlite", "trials"

NO_DRIVER = "needs a driver for PostgreSQL: pip install 'digits[postgres]'"

WAIT = 60.0  # seconds that a worker waits for another one that writes to the same file

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with Study.optimize")

REASON, DIED, LEFT = "reason", "died", "left"
"""User attributes of an ended trial: why it failed by itself; how its process died; that it was asked to exit, with
the storage error if one was the cause."""

COMMAND, WORKER, DIRECTORY, OVERRIDES = "command", "worker", "directory", "overrides"
"""User attributes of a claimed trial: the command and the worker (its process id) that train it; its directory; its
overrides, which are written last."""

DEATHS, KNOWN = "deaths", "known"
"""User attributes of a retried trial: how often it died since its last new epoch, and how many values it began with."""


def place_of(trial: FrozenTrial) -> str | None:
    """A trial's run directory, relative to the search's; None if it has none yet, or names any other place."""
    directory = trial.user_attrs.get(DIRECTORY)
    return directory if isinstance(directory, str) and re.fullmatch(rf"{TRIALS}/\d+", directory) else None


def superseded(trials: list[FrozenTrial]) -> set[int]:
    """Numbers of the interrupted trials that have a retry."""
    return {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}


def is_cut_off(trial: FrozenTrial) -> bool:
    """Whether a trial was interrupted: it ended without failing by itself, and is retried unless it died too often."""
    return trial.state == TrialState.FAIL and REASON not in trial.user_attrs


def number_of(trial: FrozenTrial) -> int:
    """The number that a trial is shown with: its first one, kept by all its retries."""
    return int(trial.system_attrs.get("retry_history", [trial.number])[0])


def counted(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Trials without those that have a retry: each is counted once."""
    left_out = superseded(trials)
    return [trial for trial in trials if trial.number not in left_out]


def read_search(directory: Path, storage: str | None = None) -> Study:
    """The study of a search's directory, for reading; raises RunError if it can't be read.

    A search in a database needs `storage`: a file must not make this process connect to a server.
    """
    saved = read_search_note(directory)
    name, url = saved.name, saved.storage
    if url is None and not (directory / FILE).is_file():
        raise RunError(f"{directory} has lost its study: there is no {FILE}")
    if url is not None and storage is None:
        raise RunError(f"the study of {directory} is in a database; name it with --storage {shown(url)}")
    url = None if url is None else storage
    try:
        opened = RDBStorage(address(url), engine_kwargs=engine_arguments(directory, url))
        return optuna.load_study(study_name=name, storage=opened)
    except ImportError:
        raise RunError(NO_DRIVER) from None
    except KeyError:
        raise RunError(f"the search {name} is no longer in its storage") from None
    except (SQLAlchemyError, RuntimeError) as error:
        raise RunError(f"the search {name} can't be read from its storage: {first_line(error)}") from None


def note(directory: Path, name: str, url: str | None) -> None:
    """Save the name and storage of a directory's study, without the password."""
    safe = None if url is None else make_url(url)._replace(password=None, query=util.immutabledict()).render_as_string()
    write_json(directory / SEARCH, {"format": 1, "name": name, "storage": safe})


# ---- Where it is kept ---------------------------------------------------------------------------


def address(url: str | None) -> str:
    """The URL for SQLAlchemy: of an SQLite file, or of a database with our driver.

    The file's path is in `engine_arguments` instead: in a URL SQLAlchemy would parse a `?` of it, Optuna format a `{}`.
    """
    if url is None:
        return f"sqlite:///{FILE}"
    rendered = make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    return rendered.replace("{", "{{").replace("}", "}}")


def engine_arguments(directory: Path, url: str | None) -> dict[str, object]:
    """The arguments for SQLAlchemy's engine: the file and how long to wait for other processes, or the database's."""
    if url is None:
        file = directory.absolute() / FILE
        return {"creator": partial(sqlite3.connect, file, timeout=WAIT)}
    # A machine that lost its power loses its locks after half a minute, not after TCP's two hours
    alive = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
    return {"pool_pre_ping": True, "connect_args": {"options": alive}}


def first_line(error: object) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def sentence_on_failure(do: Callable[[], int]) -> int:
    """The result of `do`, or 1 if the study can't be written, which is logged in one sentence."""
    try:
        return do()
    except ConfigError:
        raise
    except Exception as error:  # Optuna raises AssertionError and others when its storage fails: log their cause
        why = _of_storage(error)
        if why is None:
            raise
        log.error("can't write the study: %s; when that is fixed, run the same command again to resume", why)  # noqa: TRY400 (the traceback helps nobody)
        return 1


def _of_storage(error: BaseException | None) -> str | None:
    """The message of the storage or disk error that caused an error, or None."""
    while error is not None:
        if isinstance(error, SQLAlchemyError | OSError):
            return first_line(error)
        error = error.__cause__ or error.__context__
    return None
