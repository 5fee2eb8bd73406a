"""The base of records: typed fields, with everything else that was recorded kept as it was. No torch."""

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
    """A number as it was written, 1 or 1.0, including NaN and infinities: records are compared to the bit."""
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


Number = Annotated[float, PlainValidator(_number)]  # any number; an int stays an int

Numbers = Annotated[dict[str, Number], BeforeValidator(_numbers_only)]  # numbers by name; other values are left out

AsFarAsKnown = Annotated[T, WrapValidator(_default_where_wrong)]  # a value of another type counts as missing


class Recorded(BaseModel):
    """A part of a record: fields that are read have types, everything is kept as it was written."""

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
        """The recorded data, with missing keys set to what their absence meant."""
        return tree

    def tree(self) -> Tree:
        """The recorded data as plain data, including unknown keys."""
        return dict(self._tree)

    def at(self, key: str) -> Value:
        """The recorded value at a dotted key; None where there is none."""
        found: Value = self._tree
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def changed(self, changes: Tree) -> Self:
        """The record with other values for some keys."""
        return self.model_validate(self._tree | changes)
