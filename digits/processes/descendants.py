"""The descendants of a process, from Linux's /proc; none on other systems. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def descendants(process: int) -> Iterator[tuple[int, int]]:
    """Every descendant of a process, each with its parent."""
    with suppress(OSError):  # the process has ended meanwhile
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, path.read_text(encoding="ascii").split()):
                yield child, process
                yield from descendants(child)


def name_of(process: int) -> bytes:
    """The name of a process; empty where it has ended."""
    return _read(process, "comm").strip()


def command_of(process: int) -> bytes:
    """The command that started a process, its arguments ended by NUL; empty where it has ended."""
    return _read(process, "cmdline")


def _read(process: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{file}").read_bytes()
    except OSError:
        return b""
