"""The one door for what runs left: their records parsed, and asked whether what they name may be called. No torch.

Also: which runs there are, and whether the process of one lives.
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
from digits.runs.layout import MODEL, RESULT, SEARCH, SIGN_OF_LIFE, RunError
from digits.runs.recorded import Recorded
from digits.runs.schema import ModelRecord, RunRecord, SearchRecord

R = TypeVar("R", bound=Recorded)

TAKES = "input.mean, .std, .image_size"

NAMED = "name a run's directory, as printed when it starts"


def read_result(run: Path) -> RunRecord:
    """The record of a run; raises RunError where there is none, or none that can be read (`digits.config.files`)."""
    tree = _read_json(run / RESULT, RECORD_LIMIT, f"{run} is no run's directory (it has no {RESULT})")
    return parsed(RunRecord, tree, run / RESULT)


def peek(run: Path) -> RunRecord:
    """The record of a run, empty where there is none that can be read."""
    try:
        return read_result(run)
    except RunError:
        return RunRecord()


def read_model(run: Path) -> ModelRecord:
    """What is needed to rebuild a run's net; raises RunError where it can't be read, or says not what it takes."""
    path = run / MODEL
    tree = _read_json(path, MODEL_LIMIT, f"{run} has no {MODEL}: it was not trained to its end", finite=True)
    return parsed(ModelRecord, tree, path)


def read_search_note(directory: Path) -> SearchRecord:
    """Which study a search's directory belongs to; raises RunError where it doesn't say."""
    path = directory / SEARCH
    tree = _read_json(path, RECORD_LIMIT, f"{directory} is no search's directory (it has no {SEARCH})", finite=True)
    return parsed(SearchRecord, tree, path)


def parsed(kind: type[R], tree: Tree, path: Path) -> R:
    """Plain data of a file as a record; raises RunError, with the first thing that is wrong, where it is none."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise RunError(f"{path} is damaged: {_damage(kind, key, fault)}") from None


def _damage(kind: type[Recorded], key: str, fault: ErrorDetails) -> str:
    if kind is SearchRecord:
        return "it doesn't say which search this is"
    if kind is ModelRecord:
        named = key.startswith("input.classes")
        return "input.classes are no names" if named else f"it doesn't say what the net takes ({TAKES})"
    said = fault["msg"]
    return f"{key if key.isprintable() else repr(key)} is {fault['input']!r:.80}; {said[0].lower()}{said[1:]}"


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
    """What a record says and nobody does for it: its key, and why."""

    key: str
    problem: str
    target: str | None = None  # what it names of a package that the user did not name, if that is it

    @property
    def package(self) -> str:
        """Whose it is: what the user would have to name."""
        return (self.target or "").partition(".")[0]


def refused(part: Recorded | Tree, packages: Sequence[str] = (), own: Collection[str] = ()) -> list[Refused]:
    """What in a part of a record is not called for a file, and what would do harm, whoever is trusted.

    `packages` are those that the user trusts, `own` targets that the command itself names. Asked by name: nothing is
    imported.
    """
    tree = part.tree() if isinstance(part, Recorded) else part
    strangers = [(key, target) for key, target in untrusted(tree, packages) if target not in own]
    return [
        *(Refused(key, f"names {target}, which is not of this package", target) for key, target in strangers),
        *(Refused(key, problem) for key, problem in harmful(tree)),
    ]


def check_trust(part: Recorded, file: str, packages: Sequence[str], at: str = "") -> None:
    """Raise RunError, with the option to give, where a file names what is not called for it, or would do harm.

    `at` is where in a whole configuration the part stands.
    """
    for fault in refused({at: part.tree()} if at else part, packages):
        if fault.target is None:
            raise RunError(f"{file}: {fault.key} {fault.problem}")
        raise RunError(f"{file} {fault.problem}; if you trust it, say --trust {fault.package}")


# ---- Runs ---------------------------------------------------------------------------------------


def first_process() -> bool:
    """Whether this is a run's only process or the first of several, on this node or another: it keeps the record."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def status_of(record: RunRecord) -> str:
    """The status, where a running run without a sign of life is called lost."""
    if record.status != "running":
        return str(record.status)
    alive = record.alive or 0
    if record.host == socket.gethostname() and record.pid is not None:
        return "running" if _lives(record.pid, alive) else "lost"
    # compared, not subtracted: a record may hold a number that no float can be
    return "running" if alive > time.time() - 6 * SIGN_OF_LIFE else "lost"


def _lives(pid: int, alive: float) -> bool:
    """Whether a process is there, and was when it gave its last sign: after a restart another may have its number."""
    if pid <= 0:  # which would be groups of processes, our own among them
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
    except (OSError, IndexError):  # no Linux
        return True
    return boot is None or int(boot[1]) + int(began) / os.sysconf("SC_CLK_TCK") < alive + 2


def runs_in(folder: Path) -> Iterator[Path]:
    """Every run's directory in a folder, at any depth, in the order of their names."""
    for path in sorted(folder.rglob(RESULT)):
        if path.is_file():
            yield path.parent


def find_run(name: str | None, outputs: Path = Path("outputs")) -> Path:
    """The run that a command was given; without a name, the latest that is done."""
    if name is not None:
        path = Path(name)
        if not os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name too long)
            raise RunError(f"there is no directory {name}; {NAMED}")
        if not (path / RESULT).is_file():
            inside = list(runs_in(path))
            hint = f"it holds {len(inside)} runs, name one of them, such as {inside[0]}" if inside else NAMED
            raise RunError(f"{name} is no run's directory (it has no {RESULT}); {hint}")
        return path
    done = [
        (str(record.finished), run)
        for run in runs_in(outputs)
        if (record := peek(run)).status == "done" and (run / MODEL).exists()  # a fast_dev_run leaves no net
    ]
    if not done:
        raise RunError(f"no run in {outputs}/ is done yet; train one first, or name a run's directory")
    return max(done)[1]
