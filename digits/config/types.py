"""The building blocks of a configuration: plain data, and the base classes of the schemas that describe it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.util import find_spec
from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Value: TypeAlias = "None | bool | int | float | str | list[Value] | dict[str, Value]"
"""Plain data, as YAML and JSON hold it; a configuration may hold nothing else."""

Tree: TypeAlias = dict[str, Value]  # a configuration, or a section of one

Share = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]

TARGET = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"  # a dotted path: a module and one of its attributes


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True, allow_inf_nan=False)


class Target(Section):
    """A section that names the class or function to call; further keys are its arguments."""

    model_config = ConfigDict(extra="allow")

    made_for: ClassVar[str | None] = None  # the only task that can use it; None: any
    extra: ClassVar[str | None] = None  # the extra that it needs beside `train`, which has the name of its package

    target: str = Field(alias="_target_", pattern=TARGET, description="dotted path of the class or function to call")

    def get(self, key: str) -> Value:
        """The value of a key, described by the schema or not; None if there is none."""
        value: Value = getattr(self, key) if key in type(self).model_fields else (self.model_extra or {}).get(key)
        return value

    @property
    def lacks_extra(self) -> bool:
        """Whether its extra is not installed; a folder of that name, such as W&B's `wandb/`, is not the package."""
        found = None if self.extra is None else find_spec(self.extra)
        return self.extra is not None and (found is None or found.origin is None)

    def changed(self, values: Tree) -> Target:
        """The section with other values, which the schema's types no longer check."""
        return Target.model_validate(self.tree() | values)

    def without(self, keys: Collection[str]) -> Target:
        """The section without some keys; it keeps its target, but not its schema."""
        return Target.model_validate({name: value for name, value in self.tree().items() if name not in keys})

    def tree(self) -> Tree:
        """The section as plain data, `_target_` included."""
        return self.model_dump(by_alias=True)


class Ours(Target):
    """A section that builds a class of this package, whose arguments are all described."""

    model_config = ConfigDict(extra="forbid")


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
