"""Guards around Hydra's reading of files: no `.hydra/` of a run, no pickles, one sentence for damaged YAML."""

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

    Hydra reads files as it composes, so only this class sees exactly those that are used. It has the name of Hydra's
    own class, by which the registry decides whether one is registered: so it stays, also in joblib's processes.
    """

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, os.path.expanduser(path))  # noqa: PTH111 (it may begin with file://)

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file; raises ConfigError where it is a run's `.hydra/` or not YAML."""
        path = Path(self.path, self._normalize_file_name(config_path)).resolve()
        for folder in path.parents:
            if folder.name == ".hydra":
                why = f"{path} is Hydra's copy, not the run's record; to repeat the run: config_from={folder.parent}"
                raise ConfigError(Fault("", why))
        try:
            return super().load_config(config_path)
        except (yaml.YAMLError, UnicodeError, RecursionError) as error:
            why = " ".join(str(error).split())
            raise ConfigError(Fault("", f"{path} is not valid YAML: {why:.300}")) from None


class _Argument(str):
    """An argument that differs from others of the same text, such as an option's value, by its id."""

    __slots__ = ()


def guard_hydra(arguments: list[str], shipped: str, tell: Callable[[str], None]) -> list[str]:
    """Have Hydra read the user's YAML before the `shipped`, and `tell` where one stands in for another.

    Exits with 2 where Hydra would run a pickle, or write to a folder other than this one.

    Hydra's own parser reads the arguments, since it also takes --exp for --experimental-rerun. Returns them with the
    overrides first: Hydra refuses overrides on both sides of an option, as in `model=mlp -m seed=0,1`.
    """
    each = [_Argument(argument) for argument in arguments]
    given = get_args_parser().parse_intermixed_args(each)
    if given.experimental_rerun is not None:
        print("--experimental-rerun would run any code in the file; to repeat a run: config_from=RUN, to resume it: "
              "resume=RUN", file=sys.stderr)  # fmt: skip
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
