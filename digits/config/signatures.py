"""The arguments of what a `_target_` names, read from its source text without importing it.

That is what lets a misspelt `+optimizer.amsgrd=true` be refused in a third of a second instead of after torch's import.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from functools import lru_cache
from pathlib import Path

from digits.config.faults import TargetError

HYDRAS_KEYS = {"_target_", "_args_", "_partial_", "_convert_", "_recursive_"}
"""Keys of a section that Hydra reads itself."""


@lru_cache(maxsize=256)
def signature_of(target: str) -> inspect.Signature | None:
    """The arguments of the class or function that a dotted path names, without importing it.

    Returns None where the source doesn't tell: extension modules, inherited constructors.
    Raises TargetError when the package or the name can't be there.
    """
    *packages, name = target.split(".")
    folder_or_file = _source_of(packages, target)
    if folder_or_file is None:
        return None
    for text in _defining(folder_or_file, name):
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                constructor = next(
                    (f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None
                )
                return _signature(constructor.args, drop_self=True) if constructor else None
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return _signature(node.args, drop_self=False)
    return None


def _source_of(packages: list[str], target: str) -> Path | None:
    """The file or folder of a module, found without running any of its packages' code."""
    try:
        spec = importlib.util.find_spec(packages[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise TargetError(f"{target}: there is no package {packages[0]!r} in this environment")
    if not spec.submodule_search_locations:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    path = Path(next(iter(spec.submodule_search_locations)))
    for package in packages[1:]:
        if (path / package).is_dir():
            path /= package
        elif (path / f"{package}.py").is_file():
            path /= f"{package}.py"
        else:
            return None
    return path


def _defining(path: Path, name: str) -> list[str]:
    """The sources that define a name which a module exports: its own, a direct child's, or the only deeper one."""
    for sources, ambiguous in ((_direct(path), True), (path.rglob("*.py") if path.is_dir() else [], False)):
        texts = [source.read_text(encoding="utf-8") for source in sources]
        found = [text for text in texts if re.search(rf"^(class|def) {name}\b", text, re.MULTILINE)]
        if found:
            return found if ambiguous or len(found) == 1 else []
    return []


def _direct(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.glob("*.py"))


def _signature(arguments: ast.arguments, *, drop_self: bool) -> inspect.Signature:
    kinds = inspect.Parameter
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    parameters = [
        kinds(a.arg, kinds.POSITIONAL_OR_KEYWORD, default=None if i >= first_default else kinds.empty)
        for i, a in enumerate(positional)
    ][1 if drop_self else 0 :]
    if arguments.vararg:
        parameters.append(kinds(arguments.vararg.arg, kinds.VAR_POSITIONAL))
    parameters += [
        kinds(a.arg, kinds.KEYWORD_ONLY, default=kinds.empty if d is None else None)
        for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        parameters.append(kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)


def takes_anything(signature: inspect.Signature) -> bool:
    """Whether a signature has **kwargs, so that no name can be called wrong."""
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())


def names(signature: inspect.Signature) -> list[str]:
    """The argument names that may be given by keyword."""
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [name for name, p in signature.parameters.items() if p.kind not in variadic]
