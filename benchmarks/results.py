"""`RESULTS.md` and the heads of `conf/experiment/*.yaml`: each script writes what it measures and leaves the rest."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.records import RecordError
from digits.runs.atomic import write_text

EXPERIMENTS = Path(__file__).parents[1] / "conf" / "experiment"
RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Results

Every figure quoted in this project, written by the scripts in this folder; no line is edited by hand.
"""


def machine() -> str:
    """What a figure was measured on and from which source, in one line."""
    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    changes = " with changes" if _git("status", "--porcelain", "--", "digits", "conf", "benchmarks/*.py") else ""
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "lightning"))
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}; commit {commit}{changes}."


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def replace_section(title: str, command: str, text: str) -> None:
    """Put a section into RESULTS.md in place of the one with the same title."""
    former = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    section = f"## {title}\n\n`{command}`\n\n{text}\n"
    pattern = rf"## {re.escape(title)}\n.*?(?=\n## |\Z)"
    if re.search(pattern, former, flags=re.S):
        new = re.sub(pattern, lambda _: section, former, flags=re.S)
    else:
        new = f"{former.rstrip()}\n\n{section}"
    write_text(RESULTS, new.rstrip() + "\n")


def replace_head(path: Path, figures: str, where: list[str]) -> None:
    """Put figures, and what each was measured on, at the head of an experiment, in place of the former ones.

    Raises RecordError where it has no line for them.
    """
    text = path.read_text(encoding="utf-8")
    lines = "\n".join([f"# Measured: {figures}", *(f"# on {place}" for place in where)])
    new, found = re.subn(r"^# Measured:.*(\n# on .*)*", lambda _: lines, text, flags=re.MULTILINE)
    if not found:
        raise RecordError(f"{path} has no line '# Measured:' to put its figures in; add one to its head")
    write_text(path, new)
