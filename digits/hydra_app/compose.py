"""Composing configurations: a section of conf/, the defaults, and many for a sweep's jobs or a search's trials."""

from __future__ import annotations

from functools import cache
from typing import cast

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf, open_dict

import digits.hydra_app.momentum  # noqa: F401 (registers the resolvers of the optimizers' YAML)
from digits.config.absent import filled
from digits.config.faults import ConfigError
from digits.config.types import Tree
from digits.hydra_app.hints import NO_KEY, no_such_key
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.search_path import looking


class Composer:
    """Composes configurations from overrides, once for each choice of groups, since that costs 80 ms.

    Only the values are applied each time. Raises Hydra's errors for invalid overrides.
    """

    def __init__(self, config_name: str | None) -> None:
        self._config_name = config_name
        loader = config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        # Hydra's private way to the groups in the folders that the primary config adds with hydra.searchpath
        self._groups = loader._parse_overrides_and_create_caching_repo(config_name, [])[1]
        self._compositions: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: list[str]) -> DictConfig:
        """The configuration of these overrides, without Hydra's own section."""
        composed, values = self._chosen(overrides)
        OmegaConf.set_struct(composed, True)
        try:
            ConfigLoaderImpl._apply_overrides_to_config(values, composed)
        except ConfigCompositionException as error:
            if match := NO_KEY.match(str(error)):
                raise ConfigError(no_such_key(match[1], composed)) from None
            raise
        return composed

    def groups_only(self, overrides: list[str]) -> DictConfig:
        """The configuration of the groups that these overrides choose; sweep overrides are left out."""
        return self._chosen(overrides)[0]

    def _chosen(self, overrides: list[str]) -> tuple[DictConfig, list[Override]]:
        parsed = OverridesParser.create(config_loader=config_loader()).parse_overrides(overrides)
        chosen = [o for o in parsed if not o.is_sweep_override() and self._groups.group_exists(o.key_or_group)]
        groups = tuple(o.input_line for o in chosen if o.input_line)
        if groups not in self._compositions:
            self._compositions[groups] = compose(config_name=self._config_name, overrides=list(groups))
        return self._compositions[groups].copy(), [o for o in parsed if o.input_line not in groups]


def chosen(config_name: str, overrides: list[str]) -> DictConfig:
    """The configuration of the groups that a command's overrides choose, outside of Hydra's application."""
    with initialize_config_dir(conf_directory(), version_base="1.3"), looking():
        return Composer(config_name).groups_only(overrides)


def config_loader() -> ConfigLoader:
    """The config loader of the running Hydra application."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.config_loader


def plain(config: DictConfig) -> Tree:
    """A composed configuration as plain data: interpolations resolved, no section of Hydra's, gaps filled in."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra", None)
    return filled(cast(Tree, OmegaConf.to_container(config, resolve=True)))


@cache
def usual_model() -> Tree:
    """The default model."""
    return cast(Tree, plain(defaults())["model"])


def defaults() -> DictConfig:
    """The configuration without overrides."""
    return _composed("train")


def _composed(config_name: str) -> DictConfig:
    """A composed file of conf/, inside a Hydra application or outside."""
    if GlobalHydra.instance().is_initialized():
        with looking():
            return compose(config_name)
    with initialize_config_dir(conf_directory(), version_base="1.3"), looking():
        return compose(config_name)


def compose_section(config_name: str) -> Tree:
    """One file of conf/, composed by Hydra, as plain data."""
    section = OmegaConf.select(_composed(config_name), config_name.split("/")[0])
    return cast(Tree, OmegaConf.to_container(section, resolve=True))
