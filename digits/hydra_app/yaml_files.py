"""Guards around Hydra's own reading of files: no run's leftovers, no pickles, one sentence for YAML that is damaged."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser
from hydra.plugins.config_source import ConfigResult

from digits.config.faults import ConfigError, Fault
from digits.hydra_app.search_path import users_first


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's folder of YAML files (conf/, --config-dir, --config-path, hydra.searchpath), each checked as it is read.

    Hydra looks for files as it composes, so this is the one place that sees just those that are used. Its name is
    that of Hydra's own, by which the registry knows that it has one: so it stays, also in joblib's processes.
    """

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, os.path.expanduser(path))  # noqa: PTH111 (it may begin with file://)

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file; raises ConfigError where it isn't read."""
        path = Path(self.path, self._normalize_file_name(config_path)).resolve()
        for folder in path.parents:
            if folder.name == ".hydra":
                why = f"{path} is what Hydra noted of a run, and no record; take config_from={folder.parent}"
                raise ConfigError(Fault("", why))
        try:
            return super().load_config(config_path)
        except (yaml.YAMLError, UnicodeError, RecursionError) as error:
            why = " ".join(str(error).split())
            raise ConfigError(Fault("", f"{path} is not YAML that can be read: {why:.300}")) from None


class _Argument(str):
    """An argument that can be told from another of the same text, such as an option's value."""

    __slots__ = ()


def guard_hydra(arguments: list[str], shipped: str, tell: Callable[[str], None]) -> list[str]:
    """Have Hydra read the user's YAML before the `shipped`, and `tell` where one stands in for another.

    Exits with 2 where Hydra is asked to run what a pickle holds, or would write to another folder than this.

    Hydra's own parser looks at the arguments, since it also takes --exp for --experimental-rerun. They come back with
    the overrides first: Hydra refuses them on both sides of an option, as in `model=mlp -m seed=0,1`.
    """
    each = [_Argument(argument) for argument in arguments]
    given = get_args_parser().parse_intermixed_args(each)
    if given.experimental_rerun is not None:
        print("--experimental-rerun would run whatever code the file holds; to do a run again take config_from=RUN, "
              "to go on with it resume=RUN", file=sys.stderr)  # fmt: skip
        sys.exit(2)
    shows = given.cfg is not None or given.info is not None or given.shell_completion
    if "${" in (here := str(Path.cwd())) and not shows:
        print(f"Hydra would fill in the ${{…}} of this folder's name, {here}; start from one without", file=sys.stderr)
        sys.exit(2)
    SourcesRegistry.instance().types["file"] = FileConfigSource
    overrides = {id(override) for override in given.overrides}
    options = [str(argument) for argument in each if id(argument) not in overrides]
    if (typed := given.config_dir) is not None and typed.startswith("~"):  # as in --config-dir=~/mine
        given.config_dir = os.path.expanduser(typed)  # noqa: PTH111 (as it was typed: Path would drop ./ and a / at its end)
        options = [o.removesuffix(typed) + given.config_dir if o.endswith(typed) else o for o in options]
    users_first(given, shipped, tell)
    return [*map(str, given.overrides), *options]
