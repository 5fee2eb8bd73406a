"""What a record is made of: parts whose fields have types, and that keep whatever else was recorded. No torch."""

from __future__ import annotations

from typing import Annotated, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticUseDefault

from digits.config.types import Tree, Value

T = TypeVar("T")


def _number(value: object) -> float:
    """A number as it was written, 1 or 1.0, NaN and infinities included: records are compared to the bit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "Input should be a valid number")
    return value


def _numbers_only(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: x for name, x in value.items() if isinstance(x, int | float) and not isinstance(x, bool)}


def _default_where_wrong(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        raise PydanticUseDefault from None


Number = Annotated[float, PlainValidator(_number)]
"""Any number; a whole one stays an int."""

Numbers = Annotated[dict[str, Number], BeforeValidator(_numbers_only)]
"""Numbers by name; what is no number is left out, such as a metric of a version that knew others."""

AsFarAsKnown = Annotated[T, WrapValidator(_default_where_wrong)]
"""What is not of this type is as if it were missing."""


class Recorded(BaseModel):
    """A part of a record: what is asked for has a type, everything is kept as it was."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, protected_namespaces=())

    _tree: Tree = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(cls._meant(value) if isinstance(value, dict) else value)
        if isinstance(value, dict):
            made._tree = {key: part.tree() if isinstance(part, Recorded) else part for key, part in value.items()}
        return made

    @classmethod
    def _meant(cls, tree: Tree) -> Tree:
        """What was recorded, with what the keys that are missing meant."""
        return tree

    def tree(self) -> Tree:
        """What was recorded, unknown keys included, as plain data."""
        return dict(self._tree)

    def at(self, key: str) -> Value:
        """What was recorded at a key, dotted; None where nothing was."""
        found: Value = self._tree
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def changed(self, changes: Tree) -> Self:
        """The same with other values for some keys."""
        return self.model_validate(self._tree | changes)
