"""A run's record read: which runs there are, what one says, whether its process lives. No torch."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from digits.config.files import MODEL_LIMIT, RECORD_LIMIT, FileError, read_json
from digits.config.task import Task, task_from
from digits.config.types import Tree
from digits.runs.layout import MODEL, RESULT, SIGN_OF_LIFE, RunError

NAMED = "name a run's directory, as printed when it starts"


def read_result(run: Path) -> Tree:
    """The record of a run; raises RunError where there is none, or none that can be read (`digits.config.files`)."""
    return _read_json(run / RESULT, RECORD_LIMIT, f"{run} is no run's directory (it has no {RESULT})")


def read_model(run: Path) -> Tree:
    """What is needed to rebuild a run's net: `model`, and in `input` what it takes; raises RunError where it isn't."""
    record = _read_json(run / MODEL, MODEL_LIMIT, f"{run} has no {MODEL}: it was not trained to its end", finite=True)
    takes = record.get("input")
    numbers = [takes.get(key) for key in ("std", "mean", "image_size")] if isinstance(takes, dict) else []
    if not numbers or not all(isinstance(n, int | float) and n >= 0 for n in numbers) or numbers[0] == 0:
        raise RunError(f"{run / MODEL} is damaged: it doesn't say what the net takes (input.mean, .std, .image_size)")
    return record


def _read_json(path: Path, limit: int, missing: str, *, finite: bool = False) -> Tree:
    try:
        return read_json(path, limit, finite=finite)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(missing) from None
    except FileError as error:
        raise RunError(str(error)) from None


def first_process() -> bool:
    """Whether this is a run's only process or the first of several, on this node or another: it keeps the record."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def recorded_task(run: Path, result: Tree) -> Task:
    """What a run was trained to do; raises RunError where its record describes no task."""
    try:
        return task_from(result.get("task"))
    except ValueError as error:
        raise RunError(f"{run / RESULT} is damaged: its {error}") from None


def status_of(result: Tree) -> str:
    """The status, where a running run without a sign of life is called lost."""
    status = str(result.get("status"))
    if status != "running":
        return status
    pid, alive = result.get("pid"), result.get("alive")
    alive = alive if isinstance(alive, int | float) else 0
    if result.get("host") == socket.gethostname() and isinstance(pid, int):
        return "running" if _lives(pid, alive) else "lost"
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
        (str(result.get("finished")), run)
        for run in runs_in(outputs)
        if (result := peek(run)).get("status") == "done" and (run / MODEL).exists()  # a fast_dev_run leaves no net
    ]
    if not done:
        raise RunError(f"no run in {outputs}/ is done yet; train one first, or name a run's directory")
    return max(done)[1]


def peek(run: Path) -> Tree:
    """The record of a run, empty where there is none that can be read."""
    try:
        return read_result(run)
    except RunError:
        return {}
