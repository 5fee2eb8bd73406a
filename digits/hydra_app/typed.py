"""Overrides that Hydra would answer in its parser's words: told with the command as it should be."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from digits.config.faults import ConfigError, Fault
from digits.hydra_app.paths import conf_directory

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
