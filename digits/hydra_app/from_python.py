"""An Experiment from a list of overrides, outside of any Hydra application."""

from __future__ import annotations

import logging
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
from digits.hydra_app.search_path import SEARCHPATH, NamedFolders, Repository, users_first

log = logging.getLogger(__name__)

COMMANDS_OWN = "is for python -m digits.train; from Python give directory=… for the run's directory"

_COMPOSING = threading.Lock()  # Hydra composes with global state


def experiment_from(
    overrides: Sequence[str], directory: Path | None = None, config_dir: Path | None = None
) -> tuple[Experiment, Path]:
    """The Experiment that `python -m digits.train OVERRIDES` would run, and its directory, which is not made yet.

    Raises ConfigError with every fault.
    """
    typed = [as_path(override) for override in overrides]
    faults = [Fault(key, COMMANDS_OWN) for text in typed if _is_commands(key := text.lstrip("+~").partition("=")[0])]
    if config_dir is not None and not config_dir.is_dir():
        faults.append(Fault("config_dir", f"there is no directory {config_dir}"))
    if faults:
        raise ConfigError(*faults)
    with _COMPOSING, _searching(config_dir, typed), initialize_config_dir(conf_directory(), version_base="1.3"):
        try:
            experiment = experiment_of(compose("train", typed), typed)
        except ConfigError:
            raise
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(Fault("", sentence(error) or str(error))) from None
    if experiment.trainer.devices not in (1, "auto") or experiment.trainer.strategy != "auto":
        raise ConfigError(Fault("trainer.devices", "several processes would each start this program; use the command"))
    place = directory or Path(run_directory(experiment.resume)).absolute()
    try:
        check_place(place, experiment.resume)
    except ConfigError as error:  # in the argument's name, not the command's
        renamed = {"hydra.run.dir": "directory"}
        raise ConfigError(*(Fault(renamed.get(f.key, f.key), f.problem) for f in error.faults)) from None
    return experiment, place


def _is_commands(key: str) -> bool:
    return key.partition("/")[0].partition(".")[0] == "hydra" and key != SEARCHPATH


@contextmanager
def _searching(config_dir: Path | None, overrides: list[str]) -> Iterator[None]:
    """Search for YAML as the command does, and restore the caller's Hydra state afterwards."""
    former = config_loader_impl.ConfigRepository, NamedFolders.named, Repository.tell  # type: ignore[attr-defined]  # private, as in users_first
    application = GlobalHydra.instance().hydra  # if it has one
    GlobalHydra.instance().clear()
    given = Namespace(config_dir=config_dir, overrides=overrides, multirun=False, shell_completion=False)
    users_first(given, conf_directory(), log.warning)  # before the training, and its log, begin
    try:
        yield
    finally:
        config_loader_impl.ConfigRepository, NamedFolders.named, Repository.tell = former  # type: ignore[attr-defined]  # as above
        GlobalHydra.instance().hydra = application
