"""The text of --help, in a third of the time of Hydra's own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from digits.hydra_app.paths import conf_directory

SEARCHING = ("search_space", "sampler", "pruner")  # groups of `conf/tune.yaml` alone


def help_text(usage: str, arguments: list[str], without: tuple[str, ...] = SEARCHING) -> str:
    """The text of --help: the usage, and the choices of every group, including those of a --config-dir.

    Hydra's own help takes 0.7 s, since it composes a configuration and copies it for every file; this reads file names.
    """
    folders = [Path(conf_directory())]
    for argument, following in pairwise([*arguments, ""]):
        flag, _, value = argument.partition("=")
        if flag in ("--config-dir", "-cd"):
            folders.append(Path(value or following).expanduser())
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.glob("*/*.yaml"):
            if path.parent.name not in without:
                groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"  {group}: {', '.join(sorted(choices))}" for group, choices in sorted(groups.items())]
    return f"{usage.strip()}\n\nGroups and their choices (group=choice):\n" + "\n".join(lines) + HELP_ON_THE_REST


HELP_ON_THE_REST = """

Keys with their values (group.key=value): --cfg job. Your own YAML files: --config-dir DIR. Many runs: -m.
In parallel: -m hydra/launcher=side_by_side. Hydra's own flags: --hydra-help."""
