"""Errors of Hydra, OmegaConf and the disk as one sentence each."""

from __future__ import annotations

import re
from collections.abc import Callable

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException, UnsupportedInterpolationType

from digits.config.faults import ConfigError, Fault, TargetError, nearest
from digits.hydra_app.compose import defaults
from digits.hydra_app.hints import NO_KEY, no_such_key
from digits.hydra_app.launchers import missing_launcher
from digits.runs.layout import RunError


def cant_be_written(error: OSError) -> str:
    """The message for a directory that can't be made or written to."""
    fix = "make it writable, or choose another folder with hydra.run.dir=DIR, for a sweep hydra.sweep.dir=DIR"
    return f"{error.filename} can't be written: {error.strerror}; {fix}"


HYDRAS_DETAILS = ("full_key:", "object_type=", "See https", "Config search path:", "provider=")
"""Beginnings of lines in Hydra's messages that help only to debug Hydra."""


def sentence(error: Exception, composed: Callable[[], DictConfig] | None = None) -> str:
    """The short message for what Hydra or the schema refused; empty for any other error.

    Hints at keys are taken from the `composed` configuration, or else from the defaults.
    """
    if isinstance(error, ConfigError | TargetError | RunError):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return ""
    text = str(error)
    if isinstance(error, InterpolationResolutionError | UnsupportedInterpolationType):
        what = re.sub(r"^\w+ raised while resolving interpolation: ", "", text.splitlines()[0])
        return str(Fault(error.full_key or "", f"its ${{…}} can't be filled in: {what}"))
    if launcher := missing_launcher(text):
        return launcher
    if match := NO_KEY.match(text):
        try:
            known = (composed or defaults)()
        except HydraException:  # the refused override is one that chooses a group
            known = defaults()
        return str(no_such_key(match[1], known))
    if match := re.search(r"Could not find '(.+)/([^/]+)'\s+Available options in '[^']+':\n((?:\s.+\n?)+)", text):
        return str(Fault(match[1], f"there is no {match[2]}" + nearest(match[2], match[3].split())))
    if (match := re.match(r"Error merging override ([^=]+)=", text)) and error.__cause__ is not None:
        return str(Fault(match[1].lstrip("+~"), str(error.__cause__).splitlines()[0]))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line for line in lines if not line.startswith(HYDRAS_DETAILS))
