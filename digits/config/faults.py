"""The faults of a configuration in plain words: key, value, allowed values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel, ValidationError

from digits.config.schema import described
from digits.config.types import Target, Value


class TargetError(ValueError):
    """A `_target_` that does not exist, must not be called, or doesn't take these arguments."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a configuration."""

    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class ConfigError(ValueError):
    """A configuration that can't be run; holds every fault."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


def nearest(word: str, known: list[str]) -> str:
    """A hint to append to a message: the known word that is nearest, else all known words, if there are any."""
    if not known:
        return ""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(known)}"


def near_key(key: str, section: Value, whole: Value) -> str:
    """The hint for a key that a section lacks: a similar key there, the same name elsewhere, or all keys there."""
    leaf = key.rpartition(".")[2]
    beside = [name for name in section if name not in (leaf, "_target_")] if isinstance(section, dict) else []
    elsewhere = [other for other in _keys(whole) if other.rpartition(".")[2] == leaf and other != key]
    if 0 < len(elsewhere) < 4:
        return f"; did you mean {' or '.join(elsewhere)}?"
    return nearest(leaf, beside)


def _keys(tree: Value, path: str = "") -> Iterator[str]:
    """The dotted keys of a tree, sections and leaves."""
    for name, value in tree.items() if isinstance(tree, dict) else ():
        yield f"{path}{name}"
        yield from _keys(value, f"{path}{name}.")


def explain(schema: type[BaseModel], error: ValidationError, given: Value = None, prefix: str = "") -> list[Fault]:
    """Pydantic's errors as faults: key, value, allowed values, and the meaning of the key.

    `given` is the validated tree; its `_target_`s decide which schema describes each section.
    """
    problems: dict[str, list[str]] = {}
    meanings: dict[str, str] = {}
    for detail in error.errors():
        path, meaning, siblings = _locate(schema, detail["loc"], given)
        parts = [f"[{part}]" if isinstance(part, int) else f".{part}" if part else ".''" for part in path]
        key = (prefix + "".join(parts)) if prefix else "".join(parts).removeprefix(".") or ascii(detail["input"])
        message = detail["msg"][0].lower() + detail["msg"][1:]
        if detail["type"] == "extra_forbidden":
            problem = f"no such key{near_key(key, dict.fromkeys(siblings), given)}"
        elif detail["type"] == "missing":
            problem = "is missing"
        elif detail["type"] == "value_error":  # a validator of this package, in its own words
            problem = str(detail["ctx"]["error"])
        elif key in problems:  # another branch of the same union
            problem = message.removeprefix("input should be ")
        else:
            problem = f"is {detail['input']!r}; {message}"
        problems.setdefault(key, []).append(problem)
        whole = detail["type"] == "value_error" and isinstance(detail["input"], dict)  # a section's own validator
        meanings[key] = f" ({meaning})" if meaning and problem != "is missing" and not whole else ""
    return [Fault(key, ", or ".join(dict.fromkeys(texts)) + meanings[key]) for key, texts in problems.items()]


def _locate(
    schema: type[BaseModel], location: tuple[int | str, ...], given: Value
) -> tuple[list[int | str], str, list[str]]:
    """The key as a user types it (in parts), the meaning of that key, and the keys beside its last part.

    Pydantic's own path also names the branch of a union that failed, which is not part of the key.
    """
    path: list[int | str] = []
    model: type[BaseModel] | None = schema
    values: object = None  # what a dict field holds, where the next part is one of its keys
    meaning, siblings = "", []
    for part in location:
        given = given.get(part) if isinstance(given, dict) and isinstance(part, str) else None
        if isinstance(part, int):
            path.append(part)
        elif model is not None:
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            path.append(part)
            siblings, field = list(fields), fields.get(part)
            meaning = (field.description or "") if field else ""
            annotation: object = field.annotation if field else None
            values = get_args(annotation)[1] if get_origin(annotation) is dict else None
            model = _as_model(annotation, given)
        elif values is not None:
            path.append(part)
            model, values = _as_model(values, given), None
    return path, meaning, siblings


def _as_model(annotation: object, given: Value) -> type[BaseModel] | None:
    """The schema of a field that holds a section: of one with a target, the schema of that target."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    return described(given.get("_target_")) if annotation is Target and isinstance(given, dict) else annotation
