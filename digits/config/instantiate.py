"""The only place that imports what a `_target_` names, checks its arguments and calls it."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import get_args

import hydra.utils

from digits.config.faults import TargetError
from digits.config.trust import harmful, is_trusted, untrusted
from digits.config.types import Target, Tree, Value, targets_in

HYDRAS_KEYS = {"_target_", "_args_", "_partial_", "_convert_", "_recursive_"}  # keys that Hydra itself reads


def resolve(target: str) -> type | Callable[..., object]:
    """Import the class or function that a dotted path names: an attribute of a module, not of another attribute.

    Raises TargetError when it doesn't exist, and when it is defined in another package: a path like
    `digits.runs.layout.subprocess.run` would reach the modules that this package imports, and through them anything.
    """
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise TargetError(f"{target}: there is no module {module_name} in this environment") from None
        raise _not_imported(target, error) from None
    except (Exception, SystemExit) as error:  # importing a user's module can raise anything
        raise _not_imported(target, error) from None
    found: type | Callable[..., object] | None = getattr(module, name, None)
    if not callable(found) or inspect.ismodule(found):
        raise TargetError(f"{target}: {module_name} has nothing to call by that name")
    home = getattr(found, "__module__", None) or ""
    if home.split(".")[0] != target.split(".")[0]:
        raise TargetError(f"{target}: is really {home}.{name}; name it so")
    return found


def _not_imported(target: str, error: BaseException) -> TargetError:
    where = f"python -c 'import {target.rpartition('.')[0]}' shows where"
    return TargetError(f"{target} can't be imported: {type(error).__name__}: {error}; {where}")


def signature_of(target: str) -> inspect.Signature | None:
    """The signature of the class or function that a dotted path names; None where it has none, as some C classes.

    Raises TargetError when it doesn't exist.
    """
    found = resolve(target)
    for eval_str in (True, False):  # False: annotations with names that only a type checker imports
        with suppress(Exception):  # evaluating annotations can raise anything
            return inspect.signature(found, eval_str=eval_str)
    return None


def takes_tensor(parameter: inspect.Parameter) -> bool:
    """Whether an argument is annotated as a tensor or an optional tensor; not where it may be a number, too."""
    kinds = {*(get_args(parameter.annotation) or [parameter.annotation])} - {type(None)}
    return [(getattr(kind, "__module__", ""), getattr(kind, "__name__", "")) for kind in kinds] == [("torch", "Tensor")]


def as_tensor(numbers: list[Value]) -> object:
    """Numbers, nested or not, as a tensor of torch's default dtype; raises TargetError where they don't fit one."""
    torch = sys.modules["torch"]  # already imported by the annotation; an import here would slow this module down
    try:
        return torch.tensor(numbers, dtype=torch.get_default_dtype())
    except (ValueError, TypeError) as error:
        raise TargetError(f"is {numbers}, which can't be made a tensor: {error}") from None


def check_read_back(tree: Value, packages: Sequence[str] = ()) -> None:
    """Refuse a tree read from a file that names anything but trusted classes, before anything is built.

    Raises TargetError.
    """
    for _, target in untrusted(tree, packages):
        package = target.partition(".")[0]
        raise TargetError(f"{target} is outside the trusted packages; to allow it: --trust {package}")
    for key, problem in harmful(tree):
        raise TargetError(f"{key}: {problem}")
    for _, section in targets_in(tree):
        target = str(section["_target_"])
        found = resolve(target)
        if not isinstance(found, type):
            raise TargetError(f"{target} is not a class; a file may name only classes")
        if not is_trusted(f"{found.__module__}.{found.__qualname__}", packages):
            really = f"{found.__module__}.{found.__qualname__}"
            raise TargetError(f"{target} is really {really}, which is outside the trusted packages")


def bind(section: Target | Mapping[str, Value], *objects: object, **named: object) -> dict[str, object]:
    """Check that a section's `_target_` takes its other keys and the given objects, without calling it.

    Returns those of the named objects that the target has an argument for, so that a run directory or a seed reaches
    the targets that take one. Raises TargetError when the arguments don't fit.
    """
    section = _plain(section)
    for _, nested in targets_in(section):
        resolve(str(nested["_target_"]))
    target = str(section["_target_"])
    signature = signature_of(target)
    if signature is None:
        return {}
    wanted = {name: value for name, value in named.items() if name in signature.parameters}
    positional = section.get("_args_")
    given = {key: value for key, value in section.items() if key not in HYDRAS_KEYS}
    try:
        signature.bind(*objects, *(positional if isinstance(positional, list) else []), **given | wanted)
    except TypeError as error:
        raise TargetError(f"{target}: {error}; its arguments are {', '.join(signature.parameters)}") from None
    return wanted


def instantiate(section: Target | Mapping[str, Value], *objects: object, **named: object) -> object:
    """Build what a section's `_target_` names from its other keys and the given objects; see `bind`."""
    section = _plain(section)
    wanted = bind(section, *objects, **named)
    # Hydra builds nested targets; the objects are passed afterwards, since Hydra would copy them
    tree = _with_tensors(section | {"_partial_": True, "_convert_": "all"})
    factory = hydra.utils.instantiate(tree)
    built: object = factory(*objects, **wanted)
    return built


def _with_tensors(tree: Value) -> object:
    """A section and its nested sections, with lists of numbers as tensors where the argument is a tensor."""
    if isinstance(tree, list):
        return [_with_tensors(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    signature = signature_of(str(tree["_target_"])) if "_target_" in tree else None
    parameters = {} if signature is None else signature.parameters
    return {
        key: as_tensor(value)
        if isinstance(value, list) and key in parameters and takes_tensor(parameters[key])
        else _with_tensors(value)
        for key, value in tree.items()
    }


def _plain(section: Target | Mapping[str, Value]) -> Tree:
    return section.tree() if isinstance(section, Target) else dict(section)
