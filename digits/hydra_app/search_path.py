"""The order in which YAML files of the same name are found: the user's, then conf/'s, then Hydra's own.

Hydra reads the first in its search path, and puts --config-dir and hydra.searchpath behind conf/: a user's
model/mlp.yaml would be ignored without a message.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from hydra._internal import config_loader_impl, config_repository
from hydra.core.config_search_path import ConfigSearchPath, SearchPathElement
from hydra.core.default_element import ConfigDefault, GroupDefault, InputDefault
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin

from digits.config.faults import ConfigError, Fault

CONFIG_DIR, SEARCHPATH = "command-line", "hydra.searchpath"
"""Hydra's provider names: of --config-dir, and the beginning of `hydra.searchpath in command-line` or `… in main`."""


class NamedFolders(SearchPathPlugin):
    """Plugin that adds the folders of the command line to every composition.

    Hydra would search the folders of hydra.searchpath=[…] for the command itself, but not for the jobs that
    `digits.hydra_app.compose` composes from their own overrides.
    """

    named: ClassVar[list[SearchPathElement]] = []

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders; `Repository` puts them in order."""
        for folder in self.named:
            search_path.append(folder.provider, folder.path)


class Repository(config_repository.ConfigRepository):
    """Hydra's config repository with the user's folders first. Pickled to joblib's processes with Hydra's loader.

    Hydra has no setting for this order: its plugins see the search path before --config-dir and hydra.searchpath are
    added. So this replaces the private class that finds each file.
    """

    tell: ClassVar[Callable[[str], None] | None] = None  # prints that a file stands in for a shipped one; None: silent
    quiet: ClassVar[bool] = False  # whether nothing runs with what is composed now
    told: ClassVar[set[str]] = set()  # files already printed

    def __init__(self, config_search_path: ConfigSearchPath, shipped: str) -> None:
        self._shipped = os.path.realpath(shipped)
        super().__init__(config_search_path)

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        """Put the folders in order, without duplicates."""
        super().initialize_sources(config_search_path)
        each: dict[tuple[str, str], ConfigSource] = {}
        for source in self.sources:
            each.setdefault((source.scheme(), source.path), source)
        self.sources = sorted(each.values(), key=lambda source: not self._is_users(source))

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Read a file, and print once that it stands in for a shipped one.

        Raises ConfigError where its defaults list names the file itself.
        """
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        found = super().load_config(config_path)
        if source is None or found is None or not self._is_users(source):
            return found
        name = config_path.removesuffix(".yaml")
        file = _shown(source, name)
        if any(_is_same(default, name) for default in found.defaults_list or []):
            raise _own_base(file, name)
        others = [other for other in self.sources if not self._is_users(other) and other.provider != "schema"]
        tell = None if self.quiet or file in self.told else Repository.tell
        if tell is not None and any(other.is_config(name) for other in others):
            self.told.add(file)
            tell(f"{file} stands in for the shipped {name}.yaml")
        return found

    def _is_users(self, source: ConfigSource) -> bool:
        """Whether the user named this folder, and it is not conf/ itself."""
        named = source.provider in ("main", CONFIG_DIR) or source.provider.startswith(SEARCHPATH)
        return named and not (source.scheme() == "file" and os.path.realpath(source.path) == self._shipped)


def users_first(given: Namespace, shipped: str, tell: Callable[[str], None]) -> None:
    """Have Hydra read the user's files before the `shipped` ones, and `tell` which of these they stand in for.

    `given` is the command line as parsed by Hydra.
    """
    NamedFolders.named = []
    if given.config_dir is not None:  # in Hydra's own form, so that it isn't there twice
        folder = os.path.abspath(given.config_dir)  # noqa: PTH100 (links in it stay as they are, as Hydra leaves them)
        NamedFolders.named.append(SearchPathElement(CONFIG_DIR, f"file://{folder}"))
    for folder in _searched(given.overrides):
        NamedFolders.named.append(SearchPathElement(f"{SEARCHPATH} in command-line", folder))
    Plugins.instance().register(NamedFolders)
    config_loader_impl.ConfigRepository = partial(Repository, shipped=shipped)  # type: ignore[attr-defined, assignment]  # only called
    Repository.told.clear()
    Repository.tell = None if given.shell_completion else tell
    Repository.quiet = given.multirun or "hydra.mode=MULTIRUN" in given.overrides


def composes_jobs() -> None:
    """Print remarks from now on, for a sweep's jobs: the sweep's own composition may read files that no job uses."""
    Repository.quiet = False


@contextmanager
def looking() -> Iterator[None]:
    """Compose without remarks, since nothing runs with the result."""
    former, Repository.quiet = Repository.quiet, True
    try:
        yield
    finally:
        Repository.quiet = former


def _searched(overrides: list[str]) -> list[str]:
    """The folders of hydra.searchpath=[…]; none where it is not a list of strings, which Hydra reports."""
    try:
        parsed = OverridesParser.create().parse_overrides([o for o in overrides if o.startswith(f"{SEARCHPATH}=")])
    except HydraException:
        return []
    folders = parsed[0].value() if parsed else []
    return [folder for folder in folders if isinstance(folder, str)] if isinstance(folders, list) else []


def _shown(source: ConfigSource, config_path: str) -> str:
    """A file's path as typed in this folder."""
    if source.scheme() != "file":
        return f"{source.scheme()}://{source.path}/{config_path}.yaml"
    path = Path(os.path.abspath(source.path), f"{config_path}.yaml")  # noqa: PTH100 (.. need not be resolved)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _is_same(default: InputDefault, config_path: str) -> bool:
    """Whether an entry of a file's defaults list is that file itself."""
    group, _, name = config_path.rpartition("/")
    if isinstance(default, ConfigDefault):
        return str(default.path).removesuffix(".yaml") in (name, f"/{config_path}")
    assert isinstance(default, GroupDefault)
    values = default.value if isinstance(default.value, list) else [default.value]
    return not default.is_override() and default.group == f"/{group}" and name in values


def _own_base(file: str, config_path: str) -> Exception:
    name = config_path.rpartition("/")[2]
    why = f"names {name} in its defaults list, which is this file itself; to build on another of that name, rename this"
    return ConfigError(Fault(file, f"{why} one"))
