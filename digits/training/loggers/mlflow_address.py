"""Where MLflow keeps runs, and what is said when it can't be used: never the address, which may be a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from digits.config.faults import ConfigError, Fault
from digits.runs.layout import RunError

ADDRESS = "MLFLOW_TRACKING_URI"

FILES = ("sqlite", "file")  # kinds of addresses without a user


@dataclass(frozen=True)
class Place:
    """MLflow's address, and where it is this program's choice: its file, and the folder of the artifacts."""

    uri: str
    file: Path | None = None  # None: the address is that of MLFLOW_TRACKING_URI
    artifacts: str | None = None  # None: the server's choice

    @contextmanager
    def one_sentence(self) -> Iterator[None]:
        """Turn whatever MLflow and its database raise into a ConfigError that doesn't show the address."""
        try:
            yield
        except (ConfigError, RunError):
            raise
        except Exception as error:  # MLflow, SQLAlchemy and the database's driver have no common base
            if self.file is None:
                why = f"MLflow can't be used at the address in {ADDRESS}"
                fix = f"start the server, or change {ADDRESS}"
            else:
                why = f"MLflow can't use {self.file}"
                fix = f"move it away; an older MLflow's: mlflow db upgrade {self.uri}"
            raise ConfigError(Fault("logger", f"{why} ({kind(error)}); {fix}")) from None


def place_for(run: Path) -> Place:
    """Where a run goes; raises ConfigError for an address with a password."""
    if uri := os.environ.get(ADDRESS):
        refuse_password(uri)
        return Place(uri)
    home = home_of(run)
    file = home / "mlflow.db"
    return Place(f"sqlite:///{file}", file, (home / "mlartifacts").as_uri())


def refuse_password(uri: str) -> None:
    """Raise ConfigError for an address with a password, which errors and logs would show."""
    scheme, _, rest = uri.partition("://")
    user, at, _ = rest.rpartition("@")
    web = scheme.lower() in ("http", "https")  # where a user's name alone may be a token
    in_front = at and scheme.lower().partition("+")[0] not in FILES and (web or ":" in user)
    if in_front or re.search(r"[?&;](password|passwd|pwd|token)=", rest, re.IGNORECASE):
        fix = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if web else "the database's own password file"
        raise ConfigError(Fault("logger", f"{ADDRESS} has a password in it, which logs would show; give it by {fix}"))


def kind(error: BaseException) -> str:
    """What went wrong at the root of an error: MLflow's code, or the name of the exception."""
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        error = cause
    code = getattr(error, "error_code", None)
    return code if isinstance(code, str) else type(error).__name__


def home_of(run: Path) -> Path:
    """The folder of a run's SQLite file: the `outputs` that the run is in, else the folder that its directory is in."""
    parents = run.absolute().parents
    return next((folder for folder in parents if folder.name == "outputs"), parents[0])
