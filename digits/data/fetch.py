"""Fetch one file from the first mirror that has it right: with time-outs, checked, one process at a time."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from filelock import FileLock

log = logging.getLogger(__name__)

PATIENCE = 14.0
"""Seconds that all mirrors together may waste: a half of its share each to answer in, a half to stall."""

STALL = 5.0
"""Seconds a download may go without any byte; also the window over which its rate is measured."""

SLOWEST = 4096
"""Bytes a second below which a mirror is given up."""

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""What goes wrong with the disk while a mirror does its part; the next mirror would fare no better."""


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
    for mirror in mirrors:
        try:
            _download(mirror + name, part, PATIENCE / len(mirrors) / 2)
            found = md5_of(part)
            if found == md5:
                return part.replace(path)
            answers[mirror + name] = f"sent {part.stat().st_size} bytes with MD5 {found} instead of {md5}"
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in STORAGE:
                raise
            answers[mirror + name] = _reason(error)
        finally:
            part.unlink(missing_ok=True)
    raise FetchError(name, answers)


def _download(url: str, part: Path, patience: float) -> None:
    log.info("fetching %s", url)
    with _open(url, patience) as response, part.open("wb") as file:
        begun = window = time.monotonic()
        received = 0
        while chunk := response.read1(1 << 16):
            file.write(chunk)
            received += len(chunk)
            now = time.monotonic()
            if now - window > min(STALL, patience):
                if received < SLOWEST * (now - window):
                    raise TimeoutError(f"sent only {received} bytes in {now - window:.0f} s")
                window, received = now, 0
        promised = response.headers.get("Content-Length")
    size = part.stat().st_size
    if promised is not None and size != int(promised):
        raise OSError(f"broke off after {size} of {promised} bytes, {time.monotonic() - begun:.0f} s")


def _open(url: str, patience: float) -> HTTPResponse:
    """Connect within `patience` seconds, name resolution and redirects included, which sockets' time-outs are not."""
    request = urllib.request.Request(url, headers={"User-Agent": "digits"})
    result: list[HTTPResponse | Exception] = []
    given_up = threading.Event()

    def connect() -> None:
        try:
            response = urllib.request.urlopen(request, timeout=min(STALL, patience))
            result.append(response)
            if given_up.is_set():
                response.close()
        except Exception as error:  # carried over to the waiting thread, whatever it is
            result.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(patience)
    if not result:
        given_up.set()
        raise TimeoutError(f"no answer in {patience:.0f} s")
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
