"""A search's study, found by the directory it lives in."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna

from digits.config.files import RECORD_LIMIT, FileError, read_json
from digits.training.run import RunError

SEARCH = "search.json"
"""What makes a directory that of a search; it has `name`, and `storage`, null for SEARCH_DATABASE beside it."""

SEARCH_DATABASE = "search.sqlite"


def read_search(directory: Path) -> optuna.Study:
    """The study of a search; raises RunError where there is none that can be read."""
    try:
        record = read_json(directory / SEARCH, RECORD_LIMIT, finite=True)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{directory} is no search's directory (it has no {SEARCH})") from None
    except FileError as error:
        raise RunError(str(error)) from None
    name, storage = record.get("name"), record.get("storage")
    if not isinstance(name, str):
        raise RunError(f"{directory / SEARCH} is damaged: it doesn't say the search's name")
    database = directory / SEARCH_DATABASE
    if storage is None and not database.is_file():
        raise RunError(f"{database} is not there, and with it the search's trials")
    try:
        return optuna.load_study(study_name=name, storage=f"sqlite:///{database}" if storage is None else str(storage))
    except KeyError:
        raise RunError(f"{database if storage is None else storage} holds no search named {name}") from None
    except Exception as error:  # whatever the database's driver raises
        if type(error).__module__.split(".")[0] not in ("optuna", "sqlalchemy", "psycopg", "psycopg2", "alembic"):
            raise
        print(error, file=sys.stderr)
        raise RunError(f"{database if storage is None else storage} can't be read") from None
