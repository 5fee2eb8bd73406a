"""Fetch one file from the first mirror that has it right: with time-outs, checked, one process at a time."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from digits.data.download import DownloadError, download

PATIENCE = 14.0
"""Seconds that all mirrors together may waste: a half of its share each to answer in, a half to stall."""

SLOW = 1.0
"""Seconds from which on a mirror's failure is remembered, lest every job of a sweep wait for it again."""

ASK_AGAIN = 120.0
"""Seconds for which it is."""

_failed: dict[str, tuple[float, str]] = {}
"""When, and with what answer, each URL was slow to fail in this process."""


class FetchError(Exception):
    """No mirror had the file; `answers` says what each of them said."""

    def __init__(self, name: str, answers: dict[str, str]) -> None:
        self.name, self.answers = name, answers
        lines = [f"  {url}: {answer}" for url, answer in answers.items()]
        super().__init__("\n".join(lines or ["  there is no mirror to ask"]))


def md5_of(path: Path) -> str:
    """The file's MD5 sum, as the data sets' authors and torchvision publish it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fetch(name: str, md5: str, folder: Path, mirrors: list[str]) -> Path:
    """The path of `folder/name`, downloaded if it isn't there yet.

    A file that is there is taken as it is: whether it is right, its reader says. Another process that wants
    the same file waits for this one. Raises FetchError with every mirror's answer, and OSError where the
    folder can't be written; neither leaves a file behind.
    """
    path = folder / name
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f".{name}.lock"
    with FileLock(lock):
        try:
            return path if path.exists() else _first_good(name, md5, folder, mirrors)
        finally:
            with suppress(OSError):  # Windows keeps it; elsewhere, who waits on it finds it gone and takes a new one
                lock.unlink()


def _first_good(name: str, md5: str, folder: Path, mirrors: list[str]) -> Path:
    path, part = folder / name, folder / f".{name}.{os.getpid()}.part"
    for left in folder.glob(f".{name}.*.part"):
        left.unlink(missing_ok=True)  # by a process that was killed: who lives and fetches holds the lock
    answers: dict[str, str] = {}
    for url in (mirror + name for mirror in mirrors):
        asked, answer = _failed.get(url, (0.0, ""))
        ago = time.monotonic() - asked
        if answer and ago < ASK_AGAIN:
            answers[url] = f"{answer} ({ago:.0f} s ago; it is asked again {ASK_AGAIN:.0f} s after that)"
            continue
        begun = time.monotonic()
        try:
            problem = _try(url, md5, part, PATIENCE / len(mirrors) / 2)
            if not problem:
                return part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        answers[url] = problem
        if time.monotonic() - begun > SLOW:
            _failed[url] = time.monotonic(), problem
    raise FetchError(name, answers)


def _try(url: str, md5: str, part: Path, patience: float) -> str:
    """Download; what the mirror did wrong, or nothing."""
    try:
        with part.open("wb") as file:
            download(url, file, patience)
    except DownloadError as error:
        return str(error)
    found = md5_of(part)
    if found == md5:
        return ""
    with part.open("rb") as file:
        page = file.read(200).lstrip().lower().startswith((b"<!doctype", b"<html"))
    hint = ", a web page (does this network want a login?)" if page else ""
    return f"sent {part.stat().st_size} bytes with MD5 {found} instead of {md5}{hint}"
