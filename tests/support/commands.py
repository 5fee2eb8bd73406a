"""The project's commands as a person types them, and the runs that they leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

QUICK = ("data=optdigits", "data.limit=200", "model=mlp", "model.hidden=[32]", "trainer=cpu", "trainer.max_epochs=2",
         "callbacks=none")  # fmt: skip


def digits(command: str, *arguments: str, cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands in a folder."""
    return subprocess.run(
        [sys.executable, "-m", f"digits.{command}", *arguments],
        cwd=cwd, timeout=timeout, check=False, text=True, capture_output=True,
    )  # fmt: skip


def only_run(cwd: Path) -> Path:
    (result,) = cwd.rglob("result.json")
    return result.parent


def result_of(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "result.json").read_text())
    return found
