"""Files that a stranger may have made: only plain ones are opened, JSON only up to a size and a depth.

What is too big, too deep, or neither file nor text is refused with one sentence, before it costs memory or time.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from digits.config.types import Tree, Value

RECORD_LIMIT = 32 << 20
"""Bytes of a `result.json`; the record of 10,000 epochs has 2.7 MB."""

MODEL_LIMIT = 64 << 10
"""Bytes of a `model.json`; a net with a layer a line has 5,000 layers in it."""

DEPTH = 32
"""Lists and sections inside one another; a configuration has 6 or 7."""

LARGEST = 10**100
"""The largest whole number; no sum or mean of such overflows a float."""

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What a terminal would obey instead of showing it, and halves of characters, which can't be printed at all."""

PICTURES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
            ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif")  # fmt: skip
"""How names of pictures end; the last three can't be read, and it is better to be told than to miss them."""


class FileError(ValueError):
    """A file that isn't read; the message names it and says why."""


def open_regular(path: Path) -> BinaryIO:
    """Open a plain file for reading: no directory, pipe or device, wherever a link by its name may lead.

    Raises FileNotFoundError or NotADirectoryError where there is none, FileError where it can't be opened.
    """
    try:
        # Asked before it is opened: opening a pipe waits for its other end, and some devices act on being opened
        if not S_ISREG(path.stat().st_mode):
            raise FileError(f"{path} is not a plain file")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror}") from None


def read_text(path: Path, limit: int) -> str:
    """A UTF-8 file of at most `limit` bytes; raises as `open_regular`, and FileError where it is larger or no text."""
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise FileError(f"{path} is larger than {limit:,} bytes, so it is not read")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is damaged: {error}") from None


def read_json(path: Path, limit: int, *, finite: bool) -> Tree:
    """The JSON object in a file of at most `limit` bytes; with `finite`, without NaN and infinities.

    Characters that a terminal would obey are replaced. Raises as `read_text`, and FileError where it is damaged,
    ambiguous (a key twice) or deeper than DEPTH.
    """
    text = read_text(path, limit)
    try:
        tree = _plain(json.loads(text, object_pairs_hook=_no_key_twice), 0, finite=finite)
    except RecursionError:
        raise FileError(f"{path} is nested deeper than {DEPTH} levels, so it is not read") from None
    except ValueError as error:  # no JSON, a key twice, NaN, or a number of thousands of digits
        raise FileError(f"{path} is damaged: {error}") from None
    if not isinstance(tree, dict):
        raise FileError(f"{path} is damaged: it holds no JSON object")
    return tree


def _no_key_twice(pairs: list[tuple[str, Value]]) -> Tree:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it has the key {key!r} twice")
    return tree


def _plain(value: Value, level: int, *, finite: bool) -> Value:
    """The value with harmless strings; raises RecursionError where it is too deep, as the parser does."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict | list) and level == DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {shown(k): _plain(v, level + 1, finite=finite) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, level + 1, finite=finite) for v in value]
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"it holds a number of {len(str(value))} digits")
    if finite and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value}, which is no number")
    return value


def check_stays_inside(folder: Path, home: Path, written: Sequence[str] | None = None) -> None:
    """Refuse to write into a folder that lies outside of `home`, or holds a link that leads out of it.

    Who packs a directory can put a link into it by the name of a file that will be written. Of the folders in `folder`
    only those that are `written` into are gone through, where they are named. Raises FileError.
    """
    real_home = os.path.realpath(home)
    entries = []
    for name, folders, files in os.walk(folder):
        entries += [Path(name, entry) for entry in (*folders, *files)]
        if written is not None and Path(name) == folder:
            folders[:] = [inner for inner in folders if inner in written]
    for path in [folder, *(entry for entry in entries if entry.is_symlink())]:
        if not Path(os.path.realpath(path)).is_relative_to(real_home):
            raise FileError(f"{path} leads to {os.path.realpath(path)}, outside of {home}; nothing is written there")


def shown(name: str | Path) -> str:
    """A name as it can be printed."""
    return UNPRINTABLE.sub("\ufffd", str(name))


def few(names: list[str]) -> str:
    """The first of many names, as a list that can be printed."""
    return ", ".join(map(shown, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
