"""What a run is made with: versions of packages, the commit, the processor. No torch."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from digits.config.types import Tree

RECORDED_PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy")


def package_versions() -> dict[str, str]:
    """The versions of the packages that a result depends on."""
    return {package: metadata.version(package) for package in RECORDED_PACKAGES}


def commit() -> Tree:
    """Which source this is: git's commit, and whether what a run is made of differs from it."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return {"id": None, "dirty": None}

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False).stdout.strip()

    try:
        return {
            "id": git("rev-parse", "HEAD") or None,
            "dirty": bool(git("status", "--porcelain", "--", "digits", "conf")),
        }
    except OSError:  # git is not installed
        return {"id": None, "dirty": None}


def cpu_name() -> str:
    """The processor's name, as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )
