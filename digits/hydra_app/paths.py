"""Names of directories, and paths as they are typed."""

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
    """A name that sorts by time and that no other start can have."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def run_directory(resume: str | None) -> str:
    """Where a run goes: its own directory again, or a new one."""
    return resume if resume is not None else f"outputs/runs/{unique_name()}"


def job_directory(override_dirname: str) -> str:
    """A sweep's job is known by its overrides, so that adding a value to the sweep renames none."""
    name = re.sub(r"[^\w.,=+~@-]", "_", override_dirname) or "default"
    if name != override_dirname or len(name) > 150:
        name = f"{name[:150]}-{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"
    return name


def search_name(model: str, space: str) -> str:
    """What a search is called that was given no name: its model, and its space where that is another's."""
    return model if space == model else f"{model}-{space}"


PATHS = {"resume", "config_from", "init_from", "data.root", "data.cache", "data.material"}
"""Keys whose values are paths."""

DIRECTORIES = {"hydra.run.dir", "hydra.sweep.dir"}
"""Likewise, and never several of them, to sweep over."""

LISTS = {"teachers", "hydra.searchpath"}
"""Keys whose values are lists of paths."""


PLAIN = re.compile(r"[\w./+@-]+", re.ASCII)
"""What needs no quotes."""

QUOTED = re.compile(r"""'.*'|".*"|\w+\(.*\)""", re.DOTALL)
"""What somebody has quoted already, or one of Hydra's functions, such as glob(*)."""


def as_path(argument: str, *, sweep: bool = False) -> str:
    """An override that names a path, quoted where Hydra's grammar would read more than a path in it; `~` is expanded.

    The name of a sweep's job has `=` and `,` in it. Likewise each path of a list. In a `sweep` a comma parts values,
    but in a path that is there.
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
    """In Hydra's quotes, where a backslash means something only before a quote."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + (found[2] and "\\'"), path) + "'"


def _paths_in(value: str) -> list[str]:
    """The paths that `[A,B]` lists: cut at such commas that each is there, or where that can't be, at every comma."""
    if not (value.startswith("[") and value.endswith("]")):
        return []
    pieces = value[1:-1].split(",")
    made: dict[int, list[str]] = {len(pieces): []}  # the paths that all pieces from one on make up, by its number
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
