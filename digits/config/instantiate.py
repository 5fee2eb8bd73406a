"""What a `_target_` names, imported, checked against its arguments and called: the one place that does so."""

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

HYDRAS_KEYS = {"_target_", "_args_", "_partial_", "_convert_", "_recursive_"}
"""Keys of a section that Hydra reads itself."""


def resolve(target: str) -> type | Callable[..., object]:
    """Import the class or function that a dotted path names: something of a module, no attribute of an attribute.

    Raises TargetError when there is no such thing, and when it really belongs to another package: a path like
    `digits.runs.layout.subprocess.run` would reach what we import, and by it anything.
    """
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise TargetError(f"{target}: there is no module {module_name} in this environment") from None
        raise _not_imported(target, error) from None
    except (Exception, SystemExit) as error:  # importing a module of one's own can raise anything
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
    """The arguments of what a dotted path names; None where Python doesn't know them, as of some that C built.

    Raises TargetError when there is no such thing.
    """
    found = resolve(target)
    for eval_str in (True, False):  # False: with names that only a type checker imports
        with suppress(Exception):  # evaluating what stands there can raise anything
            return inspect.signature(found, eval_str=eval_str)
    return None


def takes_tensor(parameter: inspect.Parameter) -> bool:
    """Whether an argument is annotated as a tensor, or as one that may be left out."""
    kinds = (parameter.annotation, *get_args(parameter.annotation))
    return any((kind.__module__, kind.__name__) == ("torch", "Tensor") for kind in kinds if isinstance(kind, type))


def as_tensor(numbers: list[Value]) -> object:
    """Numbers, nested or not, as a tensor of torch's default type; raises TargetError where they make none."""
    torch = sys.modules["torch"]  # the annotation's class is its; without it this module is quick
    try:
        return torch.tensor(numbers, dtype=torch.get_default_dtype())
    except (ValueError, TypeError) as error:
        raise TargetError(f"is {numbers}, which makes no tensor: {error}") from None


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


def bind(section: Target | Mapping[str, Value], *objects: object, **named: object) -> dict[str, object]:
    """Check that a section's `_target_` takes its other keys and the given objects, without calling it.

    Returns those of the named objects that the target has an argument for, so that a run directory or a seed reaches
    those who want one. Raises TargetError when the arguments don't fit.
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
    # Hydra builds nested targets; the objects go around it, since it would copy them
    tree = _with_tensors(section | {"_partial_": True, "_convert_": "all"})
    factory = hydra.utils.instantiate(tree)
    built: object = factory(*objects, **wanted)
    return built


def _with_tensors(tree: Value) -> object:
    """A section, and all that are nested in it, with tensors for the lists of numbers whose argument is a tensor."""
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
