"""What the sections of a configuration are made of: `schema` has the sections themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from digits.config.tree import Tree

Share = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]

TARGET = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
"""A dotted path: a module and what to build of it."""


class Section(BaseModel):
    """A part of the configuration; keys that nobody reads are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True, allow_inf_nan=False)


class Target(Section):
    """A section that names what it builds; further keys are that thing's arguments."""

    model_config = ConfigDict(extra="allow")

    target: str = Field(alias="_target_", pattern=TARGET, description="what to build")

    def tree(self) -> Tree:
        """The section as plain data, `_target_` included."""
        return self.model_dump(by_alias=True)
