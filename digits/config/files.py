"""Reading files from untrusted sources: only regular files, and JSON only up to a size and a depth.

A file that is too large, too deep or not text is refused with one sentence, before it costs memory or time.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from digits.config.types import Tree, Value

RECORD_LIMIT = 32 << 20  # bytes of a `result.json`; the record of 10,000 epochs has 2.7 MB

MODEL_LIMIT = 64 << 10  # bytes of a `model.json`; enough for 5,000 layers at a line each

DEPTH = 32  # levels of nesting in a file; a configuration has 6 or 7

LARGEST = 10**100  # the largest integer that is read; sums and means of such integers don't overflow a float

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which a terminal would obey, and lone surrogates, which can't be printed."""

PICTURES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
            ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif")  # fmt: skip
"""Suffixes of picture files; the last three can't be read, but an error is better than a picture left out silently."""


class FileError(ValueError):
    """A file that can't or must not be read; the message names it and the reason."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; a directory, pipe or device is refused, through a link as well.

    Raises FileNotFoundError or NotADirectoryError where there is none, FileError where it can't be opened.
    """
    try:
        # Checked before it is opened: opening a pipe waits for its other end, and some devices act on being opened
        if not S_ISREG(path.stat().st_mode):
            raise FileError(f"{path} is not a plain file")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror}") from None


def read_text(path: Path, limit: int) -> str:
    """The text of a UTF-8 file of at most `limit` bytes.

    Raises as `open_regular`, and FileError where the file is larger or not text.
    """
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise FileError(f"{path} is larger than {limit:,} bytes, so it is not read")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is damaged: {error}") from None


def read_json(path: Path, limit: int, *, finite: bool) -> Tree:
    """The JSON object in a file of at most `limit` bytes; with `finite`, NaN and infinities are refused.

    Control characters are replaced. Raises as `read_text`, and FileError where the file is damaged, ambiguous (a
    duplicate key) or nested deeper than DEPTH.
    """
    text = read_text(path, limit)
    try:
        tree = _plain(json.loads(text, object_pairs_hook=_no_key_twice), 0, finite=finite)
    except RecursionError:
        raise FileError(f"{path} is nested deeper than {DEPTH} levels, so it is not read") from None
    except ValueError as error:  # not JSON, a duplicate key, NaN, or a number of thousands of digits
        raise FileError(f"{path} is damaged: {error}") from None
    if not isinstance(tree, dict):
        raise FileError(f"{path} is damaged: it is not a JSON object")
    return tree


def _no_key_twice(pairs: list[tuple[str, Value]]) -> Tree:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it has the key {key!r} twice")
    return tree


def _plain(value: Value, level: int, *, finite: bool) -> Value:
    """The value without control characters; raises RecursionError where it is nested too deep, as the parser does."""
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
        raise ValueError(f"it holds {value}, which is not finite")
    return value


def check_stays_inside(folder: Path, home: Path, written: Sequence[str] | None = None) -> None:
    """Refuse to write into a folder that lies outside of `home`, or holds a link that leads out of `home`.

    A directory from an untrusted source may hold a link with the name of a file that will be written. With `written`,
    patterns of the entries that are written to, or with a final "/" gone through since files in them are, other entries
    of `folder` may lead anywhere. Raises FileError.
    """
    real_home = os.path.realpath(home)
    entries = []
    for name, folders, files in os.walk(folder):
        found = [*folders, *files]
        if written is not None and Path(name) == folder:
            found = [entry for entry in found if any(fnmatch(entry, pattern.rstrip("/")) for pattern in written)]
            folders[:] = [inner for inner in folders if f"{inner}/" in written]
        entries += [Path(name, entry) for entry in found]
    for path in [folder, *(entry for entry in entries if entry.is_symlink())]:
        if not Path(os.path.realpath(path)).is_relative_to(real_home):
            raise FileError(f"{path} leads to {os.path.realpath(path)}, outside of {home}; nothing is written there")


def shown(name: str | Path) -> str:
    """A name with unprintable characters replaced."""
    return UNPRINTABLE.sub("\ufffd", str(name))


def few(names: list[str]) -> str:
    """The first five of many names, printable, and how many more there are."""
    return ", ".join(map(shown, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
