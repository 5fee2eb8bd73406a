"""The job that Hydra runs in this process, which may be a launcher's worker."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import ListConfig, OmegaConf

from digits.runs.resume import ended_since

SWEEP = "DIGITS_SWEEP"  # environment variable: jobs that a sweep has to do, and when it began, in seconds since 1970

ESCAPED = re.compile(r"\$\\\{.*?\\\}")  # ${…} in a job's overrides, as escaped by Hydra's sweeper


@dataclass(frozen=True)
class Job:
    """A single run, or one job of a sweep."""

    overrides: list[str]
    directory: Path
    sweep: Path | None  # the directory of its sweep; None: a single run


def typed(overrides: Sequence[str]) -> list[str]:
    """The overrides in Hydra's own section as they were typed, with ${…} unresolved: it belongs to their keys."""
    found = cast(list[str], OmegaConf.to_container(cast(ListConfig, overrides), resolve=False))
    return [ESCAPED.sub(lambda match: re.sub(r"\\(.)", r"\1", match[0]), text) for text in found]


def this_job() -> Job:
    """The job that Hydra runs in this process."""
    config = HydraConfig.get()
    sweep = Path(asked_in(), config.sweep.dir) if config.mode == RunMode.MULTIRUN else None
    return Job(typed(config.overrides.task), Path(config.runtime.output_dir), sweep)


def leaves_folder() -> bool:
    """Whether a job changes into its own directory (hydra.job.chdir)."""
    return HydraConfig.initialized() and bool(HydraConfig.get().job.chdir)


def asked_in() -> Path:
    """The folder in which the command was started."""
    return Path(HydraConfig.get().runtime.cwd) if leaves_folder() else Path()


# ---- A sweep's progress -------------------------------------------------------------------------


def sweep_begins(jobs: int) -> None:
    """Tell the processes of a sweep, which inherit the environment, how many jobs there are to do."""
    os.environ[SWEEP] = f"{jobs} {int(time.time())}"


def how_far(sweep: Path) -> str:
    """How many of a sweep's jobs are done, failed and left, in words; empty where that isn't known."""
    try:
        jobs, begun = map(int, os.environ[SWEEP].split())
    except (KeyError, ValueError):  # a launcher's worker that inherits nothing
        return ""
    ended_as = ended_since(sweep, begun)
    done, failed = ended_as["done"], ended_as["failed"]
    left, ended = jobs - done - failed, done + failed
    parts = [f"{done} of {jobs} jobs done", *[f"{failed} failed"] * (failed > 0)]
    if left > 0 and ended:
        minutes = (time.time() - begun) / ended * left / 60
        parts.append(f"about {minutes:.0f} min left" if minutes >= 1 else "less than a minute left")
    return ", ".join(parts)
