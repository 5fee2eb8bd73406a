"""What Hydra says of the job that it runs here: in this process, or in a launcher's worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import ListConfig, OmegaConf


@dataclass(frozen=True)
class Job:
    """One run, or one of a sweep's."""

    overrides: list[str]
    directory: Path
    sweep: Path | None  # the directory of the sweep that it belongs to


def typed(overrides: Sequence[str]) -> list[str]:
    """Overrides out of Hydra's own section as they were typed: the ${…} in them are meant for their keys."""
    return cast(list[str], OmegaConf.to_container(cast(ListConfig, overrides), resolve=False))


def this_job() -> Job:
    """The job that Hydra runs here."""
    config = HydraConfig.get()
    sweep = Path(asked_in(), config.sweep.dir) if config.mode == RunMode.MULTIRUN else None
    return Job(typed(config.overrides.task), Path(config.runtime.output_dir), sweep)


def leaves_folder() -> bool:
    """Whether jobs go into their own directories, by hydra.job.chdir."""
    return HydraConfig.initialized() and bool(HydraConfig.get().job.chdir)


def asked_in() -> Path:
    """The folder that the command was given in."""
    return Path(HydraConfig.get().runtime.cwd) if leaves_folder() else Path()
