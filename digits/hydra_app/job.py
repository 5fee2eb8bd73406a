"""The job that Hydra runs in this process, which may be a launcher's worker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import ListConfig, OmegaConf

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
