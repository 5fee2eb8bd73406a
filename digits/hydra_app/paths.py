"""Names of directories, and paths in overrides."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from datetime import datetime
from pathlib import Path

from omegaconf import OmegaConf


def conf_directory() -> str:
    """The folder of YAML files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


def unique_name() -> str:
    """A name that sorts by time and is unique to this start."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def run_directory(resume: str | None) -> str:
    """The directory of a run: its own where it is resumed, else a new one."""
    return resume if resume is not None else f"outputs/runs/{unique_name()}"


def job_directory(override_dirname: str) -> str:
    """The directory of a sweep's job, named by its overrides, so that adding a value to the sweep renames none."""
    name = re.sub(r"[^\w.,=+~@-]", "_", override_dirname) or "default"
    if name != override_dirname or len(name) > 150:
        name = f"{name[:150]}-{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"
    return name


def search_name(model: str, space: str) -> str:
    """The default name of a search: its model, and its search space where that is for another model."""
    return model if space == model else f"{model}-{space}"


PATHS = {"resume", "config_from", "init_from", "data.root", "data.cache", "data.material"}  # keys of paths

DIRECTORIES = {
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.output_subdir",
    "tune.name",
    "tune.storage",
}
"""Keys with a single path or name, which a sweep never splits at commas."""

LISTS = {"teachers", "hydra.searchpath", "data.mirrors"}  # keys of lists of paths


PLAIN = re.compile(r"[\w./+@-]+", re.ASCII)  # needs no quotes

QUOTED = re.compile(r"""'.*'|".*"|\w+\(.*\)""", re.DOTALL)  # quoted already, or a function of Hydra's such as glob(*)


def as_path(argument: str, *, sweep: bool = False) -> str:
    """An override with its path, or each path of a list, quoted where Hydra's grammar needs it; `~` is expanded.

    Directories of a sweep's jobs have `=` and `,` in their names. In a `sweep` a comma separates values, except in a
    path that exists.
    """
    key, _, value = argument.partition("=")
    name = key.lstrip("+")
    there = os.path.exists(value)  # noqa: PTH110 (Path's raises for a name too long)
    if "${" in value or (QUOTED.fullmatch(value) and not there):
        return argument
    if name in LISTS and (paths := _paths_in(value)):
        return argument if PLAIN.fullmatch(value[1:-1]) else f"{key}=[{','.join(map(_quoted, paths))}]"
    if name not in PATHS | DIRECTORIES or not value:
        return argument
    whole = there or not sweep or name in DIRECTORIES
    paths = [os.path.expanduser(path) for path in ([value] if whole else value.split(","))]  # noqa: PTH111 (a Path would lose ./)
    return f"{key}={','.join(path if PLAIN.fullmatch(path) else _quoted(path) for path in paths)}"


def _quoted(path: str) -> str:
    """A path in Hydra's quotes, where a backslash is special only before a quote."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + (found[2] and "\\'"), path) + "'"


def _paths_in(value: str) -> list[str]:
    """The paths in `[A,B]`: split at the commas for which each path exists, else at every comma."""
    if not (value.startswith("[") and value.endswith("]")):
        return []
    pieces = value[1:-1].split(",")
    made: dict[int, list[str]] = {len(pieces): []}  # from a piece's index: the paths made of it and all later pieces
    for start in reversed(range(len(pieces))):
        for end in range(start + 1, len(pieces) + 1):
            path = os.path.expanduser(",".join(pieces[start:end]).strip())  # noqa: PTH111 (as above)
            if end in made and path and os.path.exists(path):  # noqa: PTH110 (Path's raises for a name too long)
                made[start] = [path, *made[end]]
                break
    named = [os.path.expanduser(piece.strip()) for piece in pieces]  # noqa: PTH111 (as above)
    return made.get(0) or (named if all(named) and not re.search(r"""["'\[\]{}]""", value[1:-1]) else [])


OmegaConf.register_new_resolver("unique_name", unique_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("run_directory", run_directory, use_cache=True, replace=True)
OmegaConf.register_new_resolver("search_name", search_name, replace=True)
OmegaConf.register_new_resolver("job_directory", job_directory, replace=True)
