"""The environment of a run: versions of packages, the commit, the processor. No torch."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from digits.runs.schema import Commit, RunRecord

RECORDED_PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy")


def package_versions() -> dict[str, str]:
    """The versions of the packages that a result depends on."""
    return {package: metadata.version(package) for package in RECORDED_PACKAGES}


def commit() -> Commit:
    """The commit of this source, and whether `digits/` or `conf/` differ from it."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return Commit(id=None, dirty=None)

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False).stdout.strip()

    try:
        return Commit(
            id=git("rev-parse", "HEAD") or None,
            dirty=bool(git("status", "--porcelain", "--", "digits", "conf")),
        )
    except OSError:  # git is not installed
        return Commit(id=None, dirty=None)


def cpu_name() -> str:
    """The processor's name, as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


PACKAGES = ("torch", "lightning")  # whose versions are printed beside Python's; the record has more


def provenance(record: RunRecord) -> dict[str, str]:
    """The hardware, threads, precision, versions and commit of a run in words; "unknown" where not recorded."""
    hardware, versions, commit, threads = record.hardware, record.versions, record.commit, record.hardware.threads
    precision = record.config.trainer.precision if record.config is not None else None
    gpu = f" and {record.device}" if record.device not in (None, "cpu") else ""
    cores = f", {hardware.cores} cores" if hardware.cores is not None else ""
    changes = "clean" if commit.dirty is False else "with changes"
    known = [f"Python {versions.get('python', 'unknown')}", *(f"{p} {versions[p]}" for p in PACKAGES if p in versions)]
    return {
        "hardware": f"{hardware.cpu or 'unknown hardware'}{gpu}{cores}",
        "threads": f"{threads} thread{'s' * (threads != 1)}" if threads is not None else "unknown threads",
        "precision": precision or "unknown precision",
        "versions": ", ".join(known) if versions else "unknown versions",
        "commit": f"commit {commit.id[:7]} ({changes})" if commit.id else "unknown commit",
    }


def one_line(parts: dict[str, str]) -> str:
    """The provenance as one line."""
    machine = ", ".join(parts[key] for key in ("hardware", "threads", "precision"))
    return f"{machine}; {parts['versions']}; {parts['commit']}"
