"""What was probably meant by a key that isn't there, of the configuration that was chosen."""

from __future__ import annotations

import re
from typing import cast

from omegaconf import DictConfig, OmegaConf

from digits.config.faults import Fault, near_key
from digits.config.schema import described
from digits.config.types import Ours, Tree, Value

NO_KEY = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")
"""What Hydra says of a key that isn't there."""


def no_such_key(key: str, composed: DictConfig) -> Fault:
    """The fault of a key that isn't there: the one that was probably meant, and how an argument is added."""
    if key.startswith("hydra."):
        return Fault(key, "no such key; --cfg hydra shows those there are")
    whole = cast(Tree, OmegaConf.to_container(composed, resolve=False))
    parents = key.split(".")[:-1]
    section: Value = whole
    for i, name in enumerate(parents):
        inner = section.get(name) if isinstance(section, dict) else None
        if not isinstance(inner, dict):
            return Fault(key, f"no such key{near_key('.'.join(parents[: i + 1]), section, whole)}")
        section = inner
    target = section.get("_target_") if isinstance(section, dict) else None
    if target is not None and issubclass(described(target), Ours):  # all of its arguments are there
        target = None
    owner = "Lightning's Trainer" if parents == ["trainer"] else target
    added = f" (another argument of {owner} is added with +{key}=…)" if owner else ""
    return Fault(key, f"no such key{near_key(key, section, whole)}{added}")
