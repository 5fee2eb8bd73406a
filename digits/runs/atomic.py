"""Atomic writes: under another name, then renamed, so that a reader sees the old or the new file. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from digits.config.types import Value


class StorageError(OSError):
    """A file can't be written; the message names it and the reason, `errno` is the system's."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} can't be written: {error.strerror}")
        self.errno = error.errno


def write_bytes(path: Path, content: bytes | memoryview, keep_as: Path | None = None) -> None:
    """Write under another name and rename, so that no reader sees half a file; `keep_as` is where the old file goes.

    Raises StorageError where that fails; the old file then stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else after a power failure the new file could be empty
        if keep_as is not None and path.exists():
            path.replace(keep_as)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StorageError(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write text as `write_bytes` does."""
    # lone surrogates, as in names that are not UTF-8, become \\udcff, which JSON reads back
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, tree: Mapping[str, Value]) -> None:
    """Write plain data as JSON, as `write_bytes` does."""
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")
