"""What `docs/public.md` calls public is there, by the name that it has there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "public.md").read_text(encoding="utf-8")
NAMES = re.findall(r"`(digits\.[a-z_.]*[A-Za-z_]+)`", TEXT.partition("**In Python**")[2])


def targets(value: object) -> set[str]:
    """Every `_target_` in what a YAML file holds."""
    if isinstance(value, dict):
        own = {value["_target_"]} if "_target_" in value else set()
        return own.union(*map(targets, value.values()))
    return set().union(*map(targets, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_there(name: str) -> None:
    module, _, leaf = name.rpartition(".")
    assert hasattr(import_module(module), leaf)


def test_every_target_of_ours_that_ships_is_public() -> None:
    sections = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "conf").rglob("*.yaml"))
    ours = {name for found in map(targets, sections) for name in found if name.startswith("digits.")}
    assert ours <= set(NAMES)
    assert len(ours) > 15
