"""Loggers whose package is an extra of its own: what to install where it is missing. Nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from digits.config.faults import Fault
from digits.config.types import Target

EXTRAS = {"digits.training.loggers.wandb.WandB": "wandb", "digits.training.loggers.mlflow.MLflow": "mlflow"}
"""Targets, each with its package, which has the name of the extra."""


def missing_extras(loggers: Mapping[str, Target]) -> Iterator[Fault]:
    """The loggers whose package is not installed, each with the command that installs it."""
    for name, section in loggers.items():
        extra = EXTRAS.get(section.target)
        if extra is not None and not installed(extra):
            fix = f'pip install "digits[{extra}]", in a checkout ".[{extra}]"'
            yield Fault(f"logger.{name}", f"needs the package {extra}, which is not installed: {fix}")


def installed(package: str) -> bool:
    """Whether a package can be imported; a folder of its name, such as the `wandb/` that W&B writes, is none."""
    found = find_spec(package)
    return found is not None and found.origin is not None
