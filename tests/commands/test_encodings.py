"""Every command prints what it can where the terminal's encoding lacks some of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import QUICK

COMMANDS = ("train", "tune", "evaluate", "report", "export", "predict", "explore", "serve")
ENCODINGS = ("ascii", "latin-1")


def said(encoding: str, command: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command's outcome where its output has an encoding."""
    return subprocess.run(
        [sys.executable, "-m", f"digits.{command}", *arguments],
        cwd=cwd, check=False, capture_output=True, encoding=encoding, env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_help_is_printed(tmp_path: Path, encoding: str, command: str) -> None:
    done = said(encoding, command, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"digits.{command}" in done.stdout


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_in_a_folder_of_any_name_a_run_and_its_failure_are_told(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "Prüfung → 数字"
    folder.mkdir()
    place = f"hydra.run.dir={folder}/run"
    failed = said(encoding, "train", *QUICK, "optimizer.lr=1e30", place, cwd=folder)
    assert failed.returncode == 1
    assert "finite" in failed.stdout + failed.stderr
    assert "Logging error" not in failed.stderr
    told = said(encoding, "report", str(folder), cwd=folder)
    assert told.returncode == 0
    assert "1 failed" in told.stdout
