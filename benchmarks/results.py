"""`RESULTS.md`: each script writes the section it measures and leaves the others."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Results

Every figure quoted in this project, written by the scripts in this folder; no line is edited by hand.
"""


def machine() -> str:
    """What a figure was measured on, in one line."""
    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "lightning"))
    return (
        f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}; commit {commit or 'unknown'}."
    )


def replace_section(title: str, command: str, text: str) -> None:
    """Put a section into RESULTS.md in place of the one with the same title."""
    former = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    section = f"## {title}\n\n`{command}`\n\n{text}\n"
    pattern = rf"## {re.escape(title)}\n.*?(?=\n## |\Z)"
    if re.search(pattern, former, flags=re.S):
        new = re.sub(pattern, lambda _: section, former, flags=re.S)
    else:
        new = f"{former.rstrip()}\n\n{section}"
    RESULTS.write_text(new.rstrip() + "\n", encoding="utf-8")
