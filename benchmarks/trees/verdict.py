"""Whether two outcomes are the same, and if not, where they differ, in few lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from benchmarks.trees.outcome import WRONG, Outcome

SHOWN, LINES, WIDTH, NAME = 8, 8, 160, 60
"""How much is shown of a difference at most: items of a row, lines of a text, characters of a line and of a name."""


@dataclass(frozen=True)
class Verdict:
    """A row of the table."""

    name: str
    differences: tuple[str, ...] = ()
    reason: str = ""  # why they are wanted

    @property
    def holds(self) -> bool:
        """Whether nothing differs that should not."""
        return not self.differences or bool(self.reason)

    @property
    def text(self) -> str:
        """The verdict in a word or two."""
        if not self.differences:
            return "equal"
        return f"differs, wanted: {self.reason}" if self.reason else "differs"


def judge(base: Mapping[str, Outcome], here: Mapping[str, Outcome], wanted: Mapping[str, str]) -> list[Verdict]:
    """A verdict for each row that one of the two has; `wanted` has reasons by ROW or "ROW: ITEM", * for anything."""
    return [judged(name, base.get(name), here.get(name), wanted) for name in dict.fromkeys([*base, *here])]


def judged(name: str, base: Outcome | None, here: Outcome | None, wanted: Mapping[str, str]) -> Verdict:
    """The verdict on one row."""
    if base is None or here is None:
        return Verdict(name, (f"only {'here' if base is None else 'the base'} has it",), reason(name, wanted))
    items = [item for item in dict.fromkeys([*base, *here]) if wrong(base.get(item), here.get(item))]
    items.sort(key=lambda item: item.startswith((".hydra", "checkpoints")))  # what is easiest to read comes first
    lines = [line for item in items[:SHOWN] for line in difference(item, base.get(item), here.get(item))]
    if len(items) > SHOWN:
        lines.append(f"and {len(items) - SHOWN} more items")
    reasons = [reason(f"{name}: {item}", wanted) for item in items]
    told = "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""
    return Verdict(name, tuple(lines), reason(name, wanted) or told)


def reason(name: str, wanted: Mapping[str, str]) -> str:
    """Why a difference is wanted; empty where it isn't."""
    return next((why for pattern, why in wanted.items() if name == pattern or fnmatchcase(name, pattern)), "")


def wrong(base: str | None, here: str | None) -> bool:
    """Whether two items differ, or are a fault in themselves."""
    return base != here or (here or "").startswith(WRONG)


def difference(item: str, base: str | None, here: str | None) -> list[str]:
    """Where two texts of an item part."""
    if base is None or here is None:
        return [cut(f"{item}: only {'here' if base is None else 'the base'} has it: {base or here}")]
    if "\n" not in base + here:
        return [cut(f"{item}:"), cut(f"  -{base}"), cut(f"  +{here}")]
    changed = [
        cut(f"  {line}")
        for line in difflib.unified_diff(base.splitlines(), here.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    more = [f"  and {len(changed) - LINES} more lines"] if len(changed) > LINES else []
    return [f"{item}:", *changed[:LINES], *more]


def cut(line: str) -> str:
    """A line that is not too long, nor more than one."""
    line = line.replace("\n", "\\n")
    return line if len(line) <= WIDTH else f"{line[:WIDTH]}…"


def short(name: str) -> str:
    """A row's name as it is shown: jobs of a sweep are called by all of their overrides."""
    return name if len(name) <= NAME else f"{name[: NAME // 3]}…{name[-2 * NAME // 3 :]}"


def rows_of(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """The table, the rows as they were run."""
    return [[short(verdict.name), verdict.text] for verdict in verdicts]
