"""The project's commands as a person types them, and the runs that they leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.forked import Forked, would_be_fresh

QUICK = ("data=optdigits", "data.limit=200", "model=mlp", "model.hidden=[32]", "trainer=cpu", "trainer.max_epochs=2",
         "callbacks=none")  # fmt: skip


Started = subprocess.Popen[str] | Forked


def start_module(module: str, *arguments: str, cwd: Path, join_stderr: bool = False, fresh: bool = False) -> Started:
    """`python -m MODULE` in a folder, and go on at once; what it writes is read through pipes.

    It starts in a fork of a process that has the libraries imported already; in a fresh process where that is asked
    for, and where a test has changed the environment, which libraries may read when they are imported.
    """
    if not fresh and would_be_fresh():
        return Forked(module, arguments, cwd, join_stderr=join_stderr)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT if join_stderr else subprocess.PIPE,
    )  # fmt: skip


def start(command: str, *arguments: str, cwd: Path, join_stderr: bool = False, fresh: bool = False) -> Started:
    """Start one of the project's commands, as `start_module`."""
    return start_module(f"digits.{command}", *arguments, cwd=cwd, join_stderr=join_stderr, fresh=fresh)


def digits(
    command: str, *arguments: str, cwd: Path, timeout: float = 240, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands in a folder, started as by `start_module`."""
    process = start(command, *arguments, cwd=cwd, fresh=fresh)
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), output, errors)


def only_run(cwd: Path) -> Path:
    (result,) = cwd.rglob("result.json")
    return result.parent


def result_of(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "result.json").read_text())
    return found
