"""Hints at what was meant: by an unknown key, and by arguments on which Hydra prints its parser's messages."""

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

NO_KEY = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")  # Hydra's message for an unknown key


def no_such_key(key: str, composed: DictConfig) -> Fault:
    """The fault of an unknown key: the key that was probably meant, and how to add an argument."""
    if key.startswith("hydra."):
        return Fault(key, "no such key; --cfg hydra shows all")
    whole = cast(Tree, OmegaConf.to_container(composed, resolve=False))
    parents = key.split(".")[:-1]
    section: Value = whole
    for i, name in enumerate(parents):
        inner = section.get(name) if isinstance(section, dict) else None
        if not isinstance(inner, dict):
            return Fault(key, f"no such key{near_key('.'.join(parents[: i + 1]), section, whole)}")
        section = inner
    target = section.get("_target_") if isinstance(section, dict) else None
    if target is not None and issubclass(described(target), Ours):  # its section has all arguments
        target = None
    owner = "Lightning's Trainer" if parents == ["trainer"] else target
    added = f" (another argument of {owner} is added with +{key}=…)" if owner else ""
    return Fault(key, f"no such key{near_key(key, section, whole)}{added}")


# ---- Arguments that are not overrides, with the corrected command ----------------------------------

KEY = r"[+~]*[A-Za-z_][\w./@-]*"  # the beginning of an override

NOTHING = {"", "null", "false", "no", "off", "[]", "{}", "''"}  # what people type for none of a group


OPTIONAL = ("experiment", "debug")  # groups without a default choice


def check_nothing(overrides: list[str]) -> None:
    """Raise ConfigError where an override asks for none of a group in another way than `group=none`."""
    faults = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        group = Path(conf_directory(), key)
        parts = {value.strip().lower(), *(part.strip().lower() for part in value.strip("[] ").split(","))}
        if not key.isidentifier() or not group.is_dir() or not (override.startswith("~") or NOTHING & parts):
            continue
        choices = sorted(path.stem for path in group.glob("*.yaml"))
        if "none" in choices:
            faults.append(Fault(key, f"is given as {override}; to have none: {key}=none"))
        elif key in OPTIONAL:
            faults.append(Fault(key, f"is given as {override}; to have none leave {key} out"))
        else:
            faults.append(Fault(key, f"is given as {override}, which is not a choice; use {key}={', '.join(choices)}"))
    if faults:
        raise ConfigError(*faults)


def check_spaces(overrides: list[str], options: list[str], command: str) -> None:
    """Raise ConfigError, with the corrected command, where spaces split overrides into several arguments."""
    whole: list[str] = []
    for piece in overrides:
        link = _link(whole[-1], piece) if whole else None
        if link is None:
            whole.append(piece)
        else:
            whole[-1] += link + piece
    meant = [re.sub(rf"\A({KEY})\s*=\s*", r"\1=", override) for override in whole]
    if bare := [override for override in meant if "=" not in override and not override.startswith("~")]:
        why = "is not KEY=VALUE; give it a value, or quote it together with the argument before it"
        raise ConfigError(*[Fault("", f"{override} {why}") for override in bare])
    if meant != overrides:
        parts = " and ".join(new for new in meant if new not in overrides)
        why = f"{parts}: a space ends an argument; without it"
        raise ConfigError(Fault("", f"{why}: python -m digits.{command} {shlex.join([*meant, *options])}"))


def _link(before: str, piece: str) -> str | None:
    """The characters missing between an argument and the next one that continues it; None where it doesn't."""
    if re.match(rf"{KEY}\s*=", piece) or piece.startswith("~"):
        return None
    if re.search(r"[,=:\[{(]\Z", before) or re.match(r"[,=\]})]", piece):
        return ""
    if any(before.count(opening) > before.count(closing) for opening, closing in ("[]", "{}", "()")):
        return ","
    if re.fullmatch(KEY, before):
        return "="
    return None if re.fullmatch(KEY, piece) else " "
