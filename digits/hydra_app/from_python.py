"""An Experiment from a list of overrides, outside of any Hydra application."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal import config_loader_impl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.hydra_app.messages import sentence
from digits.hydra_app.paths import as_path, conf_directory, run_directory
from digits.hydra_app.resolve import check_place, experiment_of
from digits.hydra_app.search_path import NamedFolders, users_first

_COMPOSING = threading.Lock()  # Hydra composes with global state


def experiment_from(
    overrides: Sequence[str], directory: Path | None = None, config_dir: Path | None = None
) -> tuple[Experiment, Path]:
    """The Experiment that `python -m digits.train OVERRIDES` would run, and its directory, which is not made yet.

    Raises ConfigError with every fault.
    """
    typed = [as_path(override) for override in overrides]
    if own := [text for text in typed if text.lstrip("+").startswith(("hydra.run.", "hydra.sweep."))]:
        raise ConfigError(Fault(own[0].partition("=")[0], "is for the command; from Python give directory=… instead"))
    with _COMPOSING, _searching(config_dir, typed), initialize_config_dir(conf_directory(), version_base="1.3"):
        try:
            experiment = experiment_of(compose("train", typed), typed)
        except ConfigError:
            raise
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(Fault("", sentence(error) or str(error))) from None
    place = directory or Path(run_directory(experiment.resume)).absolute()
    check_place(place, experiment.resume)
    return experiment, place


@contextmanager
def _searching(config_dir: Path | None, overrides: list[str]) -> Iterator[None]:
    """Search for YAML as the command does, and restore the caller's Hydra state afterwards."""
    former = config_loader_impl.ConfigRepository, NamedFolders.named  # type: ignore[attr-defined]  # private, as in users_first
    application = GlobalHydra.instance().hydra  # if it has one
    GlobalHydra.instance().clear()
    given = Namespace(config_dir=config_dir, overrides=overrides, multirun=False, shell_completion=True)
    users_first(given, conf_directory(), print)
    try:
        yield
    finally:
        config_loader_impl.ConfigRepository, NamedFolders.named = former  # type: ignore[attr-defined]  # as above
        GlobalHydra.instance().hydra = application
