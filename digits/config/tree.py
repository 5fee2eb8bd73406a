"""Plain data: the form in which a configuration is composed, recorded and read back."""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = "None | bool | int | float | str | list[Value] | dict[str, Value]"
"""Plain data: what YAML and JSON can hold, and all that a configuration may hold."""

Tree: TypeAlias = dict[str, Value]
"""A configuration, or a section of one."""
