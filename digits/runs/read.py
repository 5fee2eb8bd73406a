"""The only way to read a run's records: parsed into typed records, and checked for untrusted classes. No torch.

Also finds runs, and whether the process of a run still exists.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from digits.config.files import MODEL_LIMIT, RECORD_LIMIT, FileError, read_json
from digits.config.trust import harmful, untrusted
from digits.config.types import Tree
from digits.runs.layout import CORRUPTED, EVALUATIONS, MODEL, RESULT, SEARCH, SIGN_OF_LIFE, SWEEP, RunError
from digits.runs.recorded import Recorded
from digits.runs.schema import CorruptedRecord, EvaluationRecord, ModelRecord, RunRecord, SearchRecord

R = TypeVar("R", bound=Recorded)

TAKES = "input.mean, .std, .image_size"  # keys of `model.json` that describe the net's input

KEPT_BY_LOGGERS = {"mlartifacts", "mlruns", "wandb"}  # folders whose subfolders may be copies of runs

NAMED = "name a run's directory, as printed when it starts"


def read_result(run: Path) -> RunRecord:
    """The record of a run; raises RunError where it is missing or can't be read (`digits.config.files`)."""
    tree = _read_json(run / RESULT, RECORD_LIMIT, f"{run} is not a run directory: it has no {RESULT}")
    return parsed(RunRecord, tree, run / RESULT)


def peek(run: Path) -> RunRecord:
    """The record of a run; empty where it is missing or can't be read."""
    try:
        return read_result(run)
    except RunError:
        return RunRecord()


def read_model(run: Path) -> ModelRecord:
    """The description of a run's net, `model.json`; raises RunError if it can't be read or lacks the net's input."""
    path = run / MODEL
    tree = _read_json(path, MODEL_LIMIT, f"{run} has no {MODEL}: it was not trained to its end", finite=True)
    return parsed(ModelRecord, tree, path)


def read_evaluations(run: Path) -> list[EvaluationRecord]:
    """The evaluations of a run in its directory; raises RunError where one can't be read."""
    return [_judged(EvaluationRecord, path) for path in sorted(run.glob(EVALUATIONS))]


def read_corrupted(run: Path) -> list[CorruptedRecord]:
    """The evaluations of a run on corrupted images, as `read_evaluations`."""
    return [_judged(CorruptedRecord, path) for path in sorted(run.glob(CORRUPTED))]


def _judged(kind: type[R], path: Path) -> R:
    try:
        return parsed(kind, _read_json(path, RECORD_LIMIT, f"there is no {path}"), path)
    except RunError as error:
        raise RunError(f"{error}; remove it, or evaluate again") from None


def read_search_note(directory: Path) -> SearchRecord:
    """The study of a search's directory; raises RunError where its `search.json` can't be read."""
    path = directory / SEARCH
    tree = _read_json(path, RECORD_LIMIT, f"{directory} is not a search directory: it has no {SEARCH}", finite=True)
    return parsed(SearchRecord, tree, path)


def parsed(kind: type[R], tree: Tree, path: Path) -> R:
    """The plain data of a file as a record; raises RunError, with the first fault, where it doesn't fit."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise RunError(f"{path} is damaged: {_damage(kind, key, fault)}") from None


def _damage(kind: type[Recorded], key: str, fault: ErrorDetails) -> str:
    if kind is SearchRecord:
        return "it doesn't name the search's study"
    if kind is ModelRecord:
        named = key.startswith("input.classes")
        return "input.classes must be names" if named else f"it doesn't describe the net's input ({TAKES})"
    why = fault["msg"]
    return f"{key if key.isprintable() else repr(key)} is {fault['input']!r:.80}; {why[0].lower()}{why[1:]}"


def _read_json(path: Path, limit: int, missing: str, *, finite: bool = False) -> Tree:
    try:
        return read_json(path, limit, finite=finite)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(missing) from None
    except FileError as error:
        raise RunError(str(error)) from None


# ---- Trust --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """A value in a record that is refused: its key, and the reason."""

    key: str
    problem: str
    target: str | None = None  # the untrusted target; None: the value is refused for another reason

    @property
    def package(self) -> str:
        """The package of the target, which the user would have to trust."""
        return (self.target or "").partition(".")[0]


def refused(part: Recorded | Tree, packages: Sequence[str] = (), own: Collection[str] = ()) -> list[Refused]:
    """The untrusted targets in a part of a record, and values that are harmful whatever packages are trusted.

    `packages` are trusted by the user, `own` are targets that the command itself names. Only names are compared;
    nothing is imported.
    """
    tree = part.tree() if isinstance(part, Recorded) else part
    strangers = [(key, target) for key, target in untrusted(tree, packages) if target not in own]
    return [
        *(Refused(key, f"names a class outside the trusted packages: {target}", target) for key, target in strangers),
        *(Refused(key, problem) for key, problem in harmful(tree)),
    ]


def check_trust(part: Recorded, file: str, packages: Sequence[str], at: str = "") -> None:
    """Raise RunError, with the option to add, where a file names an untrusted class or holds a harmful value.

    `at` is the key of the part in a whole configuration.
    """
    for fault in refused({at: part.tree()} if at else part, packages):
        if fault.target is None:
            raise RunError(f"{file}: {fault.key} {fault.problem}")
        raise RunError(f"{file} {fault.problem}; to allow it: --trust {fault.package}")


# ---- Runs ---------------------------------------------------------------------------------------


def first_process() -> bool:
    """Whether this process writes the record: a run's only process, or the first of several on all nodes."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def status_of(record: RunRecord) -> str:
    """The status of a run; a running one without a heartbeat is lost."""
    if record.status != "running":
        return str(record.status)
    alive = record.alive or 0
    if record.host == socket.gethostname() and record.pid is not None:
        return "running" if _lives(record.pid, alive) else "lost"
    # compared, not subtracted: a record may hold an integer too large for a float
    return "running" if alive > time.time() - 6 * SIGN_OF_LIFE else "lost"


def _lives(pid: int, alive: float) -> bool:
    """Whether a process exists, and existed at its last heartbeat: after a reboot another may have its number."""
    if pid <= 0:  # for os.kill these are process groups, among them this process's own
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    try:
        began = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, IndexError):  # not Linux
        return True
    return boot is None or int(boot[1]) + int(began) / os.sysconf("SC_CLK_TCK") < alive + 2


def runs_in(folder: Path) -> Iterator[Path]:
    """Every run directory in a folder, at any depth, sorted by path; none among what loggers keep for themselves."""
    for path in sorted(folder.rglob(RESULT)):
        if path.is_file() and KEPT_BY_LOGGERS.isdisjoint(path.relative_to(folder).parts[:-2]):
            yield path.parent


def find_run(name: str | None, outputs: Path = Path("outputs")) -> Path:
    """The run directory of that name; without a name, the latest run that is done. Raises RunError."""
    if name is not None:
        path = Path(name)
        if not os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name too long)
            raise RunError(f"there is no directory {name}; {NAMED}")
        if not (path / RESULT).is_file():
            inside = list(runs_in(path))
            hint = f"name one of the runs in it, such as {inside[0]} ({len(inside)} in all)" if inside else NAMED
            raise RunError(f"{name} is not a run directory: it has no {RESULT}; {hint}")
        return path
    done = [
        (str(record.finished), run)
        for run in runs_in(outputs)
        if (record := peek(run)).status == "done" and (run / MODEL).exists()  # a fast_dev_run writes none
    ]
    if not done:
        raise RunError(f"no run in {outputs}/ is done yet; train one first, or name a run's directory")
    return max(done)[1]


def sweep_of(run: Path) -> str | None:
    """The name of the sweep or the search that a run's directory is in; None where it is in none."""
    folders = (folder for folder in run.absolute().parents if any((folder / note).exists() for note in (SWEEP, SEARCH)))
    return next((folder.name for folder in folders), None)
