"""Files are written beside their place and renamed: whoever reads sees the old one or the new one. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from digits.config.types import Value


class StorageError(OSError):
    """Something can't be written; the message says what and why, `errno` in the system's terms."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} can't be written: {error.strerror}")
        self.errno = error.errno


def write_bytes(path: Path, content: bytes | memoryview, keep_as: Path | None = None) -> None:
    """Write beside and rename, so that no reader ever sees half a file; `keep_as` is where the former file goes.

    Raises StorageError where that can't be done; the former file is then still there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a power failure could leave the new name with nothing in it
        if keep_as is not None and path.exists():
            path.replace(keep_as)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StorageError(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write text as `write_bytes` does."""
    # halves of characters, as in names that are no UTF-8, become \\udcff, which JSON reads back
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, tree: Mapping[str, Value]) -> None:
    """Write plain data as JSON, beside and renamed."""
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")
