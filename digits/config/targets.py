"""What a `_target_` names: its arguments, read without importing it; and the one place that calls it.

Reading the arguments from the source text, not from the imported object, is what lets a misspelt
`+optimizer.amsgrd=true` be refused in a third of a second instead of after torch's import.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import hydra.utils

from digits.config.harmful import harmful
from digits.config.tree import Tree, Value

TRUSTED_PREFIXES = (
    "digits.",
    "torch.nn.",
    "torch.optim.",
    "lightning.pytorch.callbacks.",
)
"""Where targets may come from that were read back from a run; nothing else is ever called for a file."""

TRUSTED_LOGGERS = {
    *("lightning.pytorch.loggers.TensorBoardLogger", "lightning.pytorch.loggers.tensorboard.TensorBoardLogger"),
    *("lightning.pytorch.loggers.CSVLogger", "lightning.pytorch.loggers.csv_logs.CSVLogger"),
}
"""Lightning's loggers that stay on this machine; the others send what they are given to whom a file names."""

HYDRAS_KEYS = {"_target_", "_args_", "_partial_", "_convert_", "_recursive_"}
"""Keys of a section that Hydra reads itself."""


class TargetError(ValueError):
    """A `_target_` that does not exist, must not be called, or doesn't take these arguments."""


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


def is_trusted(target: str, packages: Sequence[str] = ()) -> bool:
    """Whether a target's name is one that a file may bring: ours, of a fixed list, or of a package the user named."""
    return target in TRUSTED_LOGGERS or target.startswith((*TRUSTED_PREFIXES, *(f"{package}." for package in packages)))


def untrusted(tree: Value, packages: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The targets in a tree read back from a file that must not be called, each with its key. By name: no import."""
    found = [(key, str(section["_target_"])) for key, section in targets_in(tree)]
    return [(key, target) for key, target in found if not is_trusted(target, packages)]


def resolve(target: str) -> type | Callable[..., object]:
    """Import the class or function that a dotted path names: something of a module, no attribute of an attribute.

    Raises TargetError when there is no such thing, and when it really belongs to another package: a path like
    `digits.training.run.subprocess.run` would reach what we import, and by it anything.
    """
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise TargetError(f"{target}: there is no module {module_name} in this environment") from None
        raise
    found: type | Callable[..., object] | None = getattr(module, name, None)
    if not callable(found) or inspect.ismodule(found):
        raise TargetError(f"{target}: {module_name} has nothing to call by that name")
    home = getattr(found, "__module__", None) or ""
    if home.split(".")[0] != target.split(".")[0]:
        raise TargetError(f"{target}: is really {home}.{name}; name it so")
    return found


def check_read_back(tree: Value, packages: Sequence[str] = ()) -> None:
    """Refuse, before anything is built, a tree read back from a file that names other than trusted classes."""
    for _, target in untrusted(tree, packages):
        package = target.partition(".")[0]
        raise TargetError(f"{target} is not of this package; if you trust it, say --trust {package}")
    for key, problem in harmful(tree):
        raise TargetError(f"{key}: {problem}")
    for _, section in targets_in(tree):
        target = str(section["_target_"])
        found = resolve(target)
        if not isinstance(found, type):
            raise TargetError(f"{target} is no class; only classes are built for a file")
        if not is_trusted(f"{found.__module__}.{found.__qualname__}", packages):
            raise TargetError(
                f"{target} is really {found.__module__}.{found.__qualname__}, which is not of this package"
            )


def bind(section: Mapping[str, Value], *objects: object, **named: object) -> dict[str, object]:
    """Check that a section's `_target_` takes its other keys and the given objects, without calling it.

    Returns those of the named objects that the target has an argument for, so that a run directory or a seed reaches
    those who want one. Raises TargetError when the arguments don't fit.
    """
    for _, nested in targets_in(dict(section)):
        resolve(str(nested["_target_"]))
    target = str(section["_target_"])
    signature = inspect.signature(resolve(target))
    wanted = {name: value for name, value in named.items() if name in signature.parameters}
    positional = section.get("_args_")
    given = {key: value for key, value in section.items() if key not in HYDRAS_KEYS}
    try:
        signature.bind(*objects, *(positional if isinstance(positional, list) else []), **given | wanted)
    except TypeError as error:
        known = "" if takes_anything(signature) else f"; its arguments are {', '.join(names(signature))}"
        raise TargetError(f"{target}: {error}{known}") from None
    return wanted


def instantiate(section: Mapping[str, Value], *objects: object, **named: object) -> object:
    """Build what a section's `_target_` names from its other keys and the given objects; see `bind`."""
    wanted = bind(section, *objects, **named)
    # Hydra builds nested targets; the objects go around it, since it would copy them
    factory = hydra.utils.instantiate({**section, "_partial_": True, "_convert_": "all"})
    built: object = factory(*objects, **wanted)
    return built


def targets_in(tree: Value, path: str = "") -> Iterator[tuple[str, Tree]]:
    """Every section with a `_target_`, however deep, with its key."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield path, tree
        for key, value in tree.items():
            yield from targets_in(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from targets_in(value, f"{path}[{i}]")
