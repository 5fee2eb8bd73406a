"""What of a text or a record depends on the moment, the machine's speed or the place, written over."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MASK = "…"

PATTERNS: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[T_ ]\d\d[:-]\d\d[:-]\d\d(?:[.,]\d+)?(?:\+00:00)?(?:_[0-9a-f]{4})?", "DATE"),
    (r"\b\d+:\d\d:\d\d\b", "TIME"),
    (r"\b[\d,.]+ (images/s|s|ms|MB)\b", f"{MASK} \\1"),
    (r"\"milliseconds\":[\d.]+", f"milliseconds {MASK}"),
    (r"(?m)^(DATE [A-Z]+ digits)[\w.]*:", r"\1:"),  # loggers are called by their modules, which may move
    (r"Traceback \(most recent call last\):\n(?: .*\n)+", "Traceback\n"),
    (r"(?m)^digits\.[\w.]*?(\w+): ", r"\1: "),  # an exception's module, below its traceback
    (r"\bprocess \d+ on \S+", f"process {MASK}"),
    (r"(HEAD) \((clean|with changes)\)", r"\1"),
    (r"(\bdirty\"?: )(true|false)", rf"\1{MASK}"),
    (r"generated new fontManager\n", ""),  # matplotlib's, the first time on a machine
)
"""What is written over anywhere in a text."""

OF_THE_MOMENT = re.compile(
    r"(^|[ .])(started|finished|alive|pid|host|dirty|images_per_second|train/images_per_second|seconds( \w+)?"
    r"|begun|heartbeat|Pulse (steps|validation|seconds|rates \d+))$"
)
"""Paths of a record's values that say when, where and how fast: `seconds fit`, `history 0 train/images_per_second`."""

COLUMNS = ("seconds", "images_per_second", "train/images_per_second")
"""Columns of tables that say how fast."""


@dataclass(frozen=True)
class Places:
    """Where a tree's commands ran: a text that names it reads as the other tree's."""

    tree: Path  # the checkout
    folder: Path  # the directory that its commands start in
    head: str  # its commit

    def hide(self, text: str) -> str:
        """The text with the places and the commit under common names."""
        for own, common in ((self.folder, "FOLDER"), (self.tree, "TREE"), (self.head, "HEAD"), (self.head[:7], "HEAD")):
            text = text.replace(str(own), common)
        return text


def masked(text: str, places: Places) -> str:
    """A text that was printed or logged, without what depends on time, speed and place; columns lose their width."""
    text = places.hide(text)
    for pattern, mask in PATTERNS:
        text = re.sub(pattern, mask, text)
    header, _, _ = text.partition("\n")
    if set(COLUMNS) & set(header.split(",")):
        return "\n".join([header, *(", ".join(f"{k}={v}" for k, v in row.items()) for row in masked_csv(text))])
    return masked_tables(text)


def masked_tables(text: str) -> str:
    """Tables with a column that says how fast: it is written over, and all columns are pushed together.

    The column is found from the right: those on its left may be empty.
    """
    lines, place = list[str](), 0  # of the column, counted from the right; 0 where there is no table
    for line in text.splitlines():
        words = line.replace("|", " ").split()
        if found := [len(words) - number for number, word in enumerate(words) if word in COLUMNS]:
            place = found[0]
        elif not words:
            place = 0
        elif place and not line.lstrip(" |").startswith("-"):
            right = rf"((?:[\s|]+[^\s|]+){{{place - 1}}}[\s|]*)$"
            line = re.sub(rf"[\d.,]+{right}", rf"{MASK}\1", line)
        lines.append(re.sub(r"-{3,}:?", "---", re.sub(r" {2,}", "  ", line)) if place else line)
    return "\n".join(lines)


def masked_csv(text: str) -> list[dict[str, str]]:
    """The rows of a CSV, the columns that say how fast written over."""
    rows = csv.DictReader(io.StringIO(text))
    return [{key: MASK if key in COLUMNS and value else str(value) for key, value in row.items()} for row in rows]


def flat(tree: object, places: Places, path: str = "") -> dict[str, str]:
    """The leaves of plain data by their paths, independent of the order of keys; 1 is 1.0."""
    if isinstance(tree, Mapping):
        if not tree:
            return {path: "{}"}
        named = [(f"{path} {places.hide(str(key))}".lstrip(), tree[key]) for key in sorted(tree, key=str)]
        return {k: v for name, value in named for k, v in flat(value, places, name).items()}
    if isinstance(tree, list | tuple):
        items = {path: f"{len(tree)} of them"}
        return items | {k: v for i, value in enumerate(tree) for k, v in flat(value, places, f"{path} {i}").items()}
    if OF_THE_MOMENT.search(path):
        return {path: "null" if tree is None else MASK}
    return {path: leaf(tree, places)}


def leaf(value: object, places: Places) -> str:
    """One value as text, numbers to the last bit."""
    if isinstance(value, str):
        return masked(value, places)
    if isinstance(value, int) and not isinstance(value, bool) and float(value) == value:
        return repr(float(value))
    return repr(value)
