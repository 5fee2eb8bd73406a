"""What was probably meant: by a key that isn't there, and by what Hydra would answer in its parser's words."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from digits.config.faults import ConfigError, Fault, near_key
from digits.config.schema import described
from digits.config.types import Ours, Tree, Value
from digits.hydra_app.paths import conf_directory

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


# ---- Overrides that are none, with the command as it should be -------------------------------------

KEY = r"[+~]*[A-Za-z_][\w./@-]*"
"""What an override begins with."""


NOTHING = {"", "null", "false", "no", "off", "[]", "{}", "''"}
"""What people type for none of a group."""


def check_nothing(overrides: list[str]) -> None:
    """Raise ConfigError where none of a group is asked for in other words than `group=none`."""
    faults = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        empty = override.startswith("~") or NOTHING & {part.strip().lower() for part in value.split(",")}
        if empty and key.isidentifier() and Path(conf_directory(), key, "none.yaml").exists():
            faults.append(Fault(key, f"{override} doesn't say which; for none of them take {key}=none"))
    if faults:
        raise ConfigError(*faults)


def check_spaces(overrides: list[str], options: list[str], command: str) -> None:
    """Raise ConfigError where arguments are pieces of overrides; Hydra says what its parser expected at which token."""
    whole: list[str] = []
    for piece in overrides:
        link = _link(whole[-1], piece) if whole else None
        if link is None:
            whole.append(piece)
        else:
            whole[-1] += link + piece
    meant = [re.sub(rf"\A({KEY})\s*=\s*", r"\1=", override) for override in whole]
    if bare := [override for override in meant if "=" not in override and not override.startswith("~")]:
        why = "is no KEY=VALUE; give it a value, or quote the argument before it if it is a part of that"
        raise ConfigError(*[Fault("", f"{override} {why}") for override in bare])
    if meant != overrides:
        parts = " and ".join(new for new in meant if new not in overrides)
        told = f"{parts}: was typed with a space, which ends an argument; without it"
        raise ConfigError(Fault("", f"{told}: python -m digits.{command} {shlex.join([*meant, *options])}"))


def _link(before: str, piece: str) -> str | None:
    """What stands between an argument and one that continues it; None where it doesn't."""
    if re.match(rf"{KEY}\s*=", piece) or piece.startswith("~"):
        return None
    if re.search(r"[,=:\[{(]\Z", before) or re.match(r"[,=\]})]", piece):
        return ""
    if any(before.count(opening) > before.count(closing) for opening, closing in ("[]", "{}", "()")):
        return ","
    if re.fullmatch(KEY, before):
        return "="
    return None if re.fullmatch(KEY, piece) else " "
