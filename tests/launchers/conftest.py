"""Launchers that are extras: what needs one that isn't installed is left out and says so, but never in CI."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

PACKAGES = {"slurm": "hydra_submitit_launcher", "ray": "hydra_ray_launcher", "side": "hydra_joblib_launcher"}


@pytest.fixture
def launcher(request: pytest.FixtureRequest) -> str:
    """The name of a launcher whose package is there; the test's parameter."""
    name = str(request.param)
    package = PACKAGES[name.split("_", maxsplit=1)[0]]
    if find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.{package}") is None:
        message = f"{package} is not installed (nox -s launchers does it): hydra/launcher={name} was not tried"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return name
