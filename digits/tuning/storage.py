"""What is remembered of a search: one Optuna study, in a file beside the trials or in a database that machines share.

outputs/tune/NAME/
  search.json     which study this is, and where it is kept
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

WAIT = 60.0
"""Seconds that a worker waits for another that writes to the same file."""

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with Study.optimize")

REASON, DIED, LEFT = "reason", "died", "left"
"""User attributes of a trial that failed: why it did by itself; what its process died of; that it was asked to exit,
with a text where a full disk did."""

COMMAND, WORKER, DIRECTORY, OVERRIDES = "command", "worker", "directory", "overrides"
"""And of one that is claimed: which command's worker trains it, and which; where; and what one would type for it, the
last to be written."""

DEATHS, KNOWN = "deaths", "known"
"""And of one that was begun again: how often it died without an epoch more, and how many figures it began with."""


def place_of(trial: FrozenTrial) -> str | None:
    """A trial's run directory in the search's; none where it has none yet, or names any other place."""
    directory = trial.user_attrs.get(DIRECTORY)
    return directory if isinstance(directory, str) and re.fullmatch(rf"{TRIALS}/\d+", directory) else None


def superseded(trials: list[FrozenTrial]) -> set[int]:
    """Numbers of the trials that were cut off and that others stand for now."""
    return {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}


def is_cut_off(trial: FrozenTrial) -> bool:
    """Whether a trial ended without having failed by itself: it is begun again, unless that was tried too often."""
    return trial.state == TrialState.FAIL and REASON not in trial.user_attrs


def number_of(trial: FrozenTrial) -> int:
    """What a trial is called: it keeps its number, and its directory, however often it is begun again."""
    return int(trial.system_attrs.get("retry_history", [trial.number])[0])


def counted(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Trials without those that were cut off and are retried: each is counted once."""
    left_out = superseded(trials)
    return [trial for trial in trials if trial.number not in left_out]


def read_search(directory: Path, storage: str | None = None) -> Study:
    """The study of a search's directory, to be looked at; raises RunError where it can't be read.

    A search that is kept in a database needs its `storage` named: for a file, nobody is connected to a server.
    """
    told = read_search_note(directory)
    name, url = told.name, told.storage
    if url is None and not (directory / FILE).is_file():
        raise RunError(f"{directory} has lost its {FILE}, in which the search was kept")
    if url is not None and storage is None:
        raise RunError(f"{directory} is kept in a database, which you have to name: --storage {shown(url)}")
    url = None if url is None else storage
    try:
        opened = RDBStorage(address(url), engine_kwargs=engine_arguments(directory, url))
        return optuna.load_study(study_name=name, storage=opened)
    except ImportError:
        raise RunError(NO_DRIVER) from None
    except KeyError:
        raise RunError(f"there is no search {name} in its storage any more") from None
    except (SQLAlchemyError, RuntimeError) as error:
        raise RunError(f"the search {name} can't be read from its storage: {first_line(error)}") from None


def note(directory: Path, name: str, url: str | None) -> None:
    """Write down which study a directory belongs to; a password stays with who gave it."""
    safe = None if url is None else make_url(url)._replace(password=None, query=util.immutabledict()).render_as_string()
    write_json(directory / SEARCH, {"format": 1, "name": name, "storage": safe})


# ---- Where it is kept ---------------------------------------------------------------------------


def address(url: str | None) -> str:
    """What SQLAlchemy is asked for: some SQLite file, `engine_arguments` has which, or a database by our driver.

    A path has no place in it: SQLAlchemy would read a `?`, Optuna fill in `{}`, wherever they stand.
    """
    if url is None:
        return f"sqlite:///{FILE}"
    rendered = make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    return rendered.replace("{", "{{").replace("}", "}}")


def engine_arguments(directory: Path, url: str | None) -> dict[str, object]:
    """How SQLAlchemy connects: to the file, with patience for other processes, or to a database."""
    if url is None:
        file = directory.absolute() / FILE
        return {"creator": partial(sqlite3.connect, file, timeout=WAIT)}
    # a machine that lost its power gives up its locks after half a minute, not after the two hours of TCP
    alive = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
    return {"pool_pre_ping": True, "connect_args": {"options": alive}}


def first_line(error: object) -> str:
    """The first line of what a library says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def sentence_on_failure(do: Callable[[], int]) -> int:
    """What `do` returns, or 1 where the study can't be written, which is logged in one sentence."""
    try:
        return do()
    except ConfigError:
        raise
    except Exception as error:  # Optuna asserts where its storage fails: the sentence says what that failed of
        why = _of_storage(error)
        if why is None:
            raise
        log.error("can't write the study: %s; once that is mended, run the same command again to resume", why)  # noqa: TRY400 (the traceback helps nobody)
        return 1


def _of_storage(error: BaseException | None) -> str | None:
    """What a storage or a disk reported, if an error comes of that."""
    while error is not None:
        if isinstance(error, SQLAlchemyError | OSError):
            return first_line(error)
        error = error.__cause__ or error.__context__
    return None
