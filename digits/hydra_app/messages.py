"""What Hydra, OmegaConf and the disk say, in one sentence each."""

from __future__ import annotations

import re

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.config.faults import ConfigError, Fault, TargetError, nearest
from digits.hydra_app.compose import defaults
from digits.hydra_app.launchers import missing_launcher
from digits.runs.layout import RunError


def cant_be_written(error: OSError) -> str:
    """What to say where a directory can't be made or written to."""
    fix = "make it writable, or choose another folder with hydra.run.dir=DIR, for a sweep hydra.sweep.dir=DIR"
    return f"{error.filename} can't be written: {error.strerror}; {fix}"


HYDRAS_DETAILS = ("full_key:", "object_type=", "See https", "Config search path:", "provider=")
"""Lines of Hydra's messages that help whoever debugs Hydra."""


def sentence(error: Exception) -> str:
    """What Hydra's grammar or our schema refused, in as few words as will do; empty for any other error."""
    if isinstance(error, ConfigError | TargetError | RunError):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return ""
    text = str(error)
    if launcher := missing_launcher(text):
        return launcher
    if match := re.match(r"Could not override '([^']+)'", text):
        return str(Fault(match[1], "no such key" + _near_key(match[1])))
    if match := re.search(r"Could not find '(.+)/([^/]+)'\s+Available options in '[^']+':\n((?:\s.+\n?)+)", text):
        return str(Fault(match[1], f"there is no {match[2]}" + nearest(match[2], match[3].split())))
    if (match := re.match(r"Error merging override ([^=]+)=", text)) and error.__cause__ is not None:
        return str(Fault(match[1].lstrip("+~"), str(error.__cause__).splitlines()[0]))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line for line in lines if not line.startswith(HYDRAS_DETAILS))


def _near_key(key: str) -> str:
    """The key that was probably meant, and how to add one that a constructor knows."""
    if key.startswith("hydra."):
        return "; --cfg hydra shows those there are"
    config = defaults()
    section, _, leaf = key.rpartition(".")
    found = OmegaConf.select(config, section) if section else config
    if not isinstance(found, DictConfig):
        return nearest(key, [str(k) for k in config])
    hint = nearest(leaf, [str(k) for k in found if k != "_target_"])
    return hint + (f" (another argument of {found['_target_']} is added with +{key}=…)" if "_target_" in found else "")
