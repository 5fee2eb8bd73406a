"""Configurations composed: a section of conf/, the defaults, and many at once for a sweep's jobs, a search's trials."""

from __future__ import annotations

from functools import cache
from typing import cast

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

import digits.hydra_app.momentum  # noqa: F401 (what the optimizers' YAML calls for)
from digits.config.absent import filled
from digits.config.types import Tree
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.search_path import looking


class Composer:
    """Composes from overrides; composing costs 80 ms, so those that choose the same groups share it.

    Only the values are applied anew. Raises what Hydra raises for overrides that can't be.
    """

    def __init__(self, config_name: str | None) -> None:
        self._config_name = config_name
        loader = config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        # Hydra's own way to the groups in the folders that the primary config adds with hydra.searchpath
        self._groups = loader._parse_overrides_and_create_caching_repo(config_name, [])[1]
        self._compositions: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: list[str]) -> DictConfig:
        """The configuration that these overrides give, without Hydra's own section."""
        parsed = OverridesParser.create(config_loader=config_loader()).parse_overrides(overrides)
        groups = tuple(o.input_line for o in parsed if o.input_line and self._groups.group_exists(o.key_or_group))
        values = [o for o in parsed if o.input_line not in groups]
        if groups not in self._compositions:
            self._compositions[groups] = compose(config_name=self._config_name, overrides=list(groups))
        composed = self._compositions[groups].copy()
        OmegaConf.set_struct(composed, True)
        ConfigLoaderImpl._apply_overrides_to_config(values, composed)
        return composed


def config_loader() -> ConfigLoader:
    """That of the Hydra application we are in."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.config_loader


def plain(config: DictConfig) -> Tree:
    """A composed configuration as plain data: interpolations resolved, Hydra's own section left out, gaps filled."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra", None)
    return filled(cast(Tree, OmegaConf.to_container(config, resolve=True)))


@cache
def usual_model() -> Tree:
    """The model that is trained where none is chosen."""
    return cast(Tree, plain(defaults())["model"])


def defaults() -> DictConfig:
    """The configuration without any override, inside Hydra's application or before it."""
    if GlobalHydra.instance().is_initialized():
        with looking():
            return compose("train")
    with initialize_config_dir(conf_directory(), version_base="1.3"), looking():
        return compose("train")


def compose_section(config_name: str) -> Tree:
    """One file of conf/, as Hydra composes it, as plain data."""
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        section = OmegaConf.select(compose(config_name), config_name.split("/")[0])
    return cast(Tree, OmegaConf.to_container(section, resolve=True))
