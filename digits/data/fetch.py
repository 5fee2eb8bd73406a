"""Fetch one file from the first mirror that has it right: checked, within limits, by one process at a time."""

from __future__ import annotations

import hashlib
import logging
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

TIMEOUT = 5.0  # seconds without a byte after which a mirror is given up, and over which its rate is measured
SLOWEST = 4096  # bytes of content a second below which it is given up; headers that drip are waited for
LARGEST = 1 << 26  # bytes after which it is: 67 MB, where the largest file of these data sets has 26
ASK_AGAIN = 120.0  # seconds for which a slow failure is remembered, lest every job of a sweep wait for it again

_failed: dict[str, tuple[float, str]] = {}  # when, and with what answer, each URL was slow to fail in this process


class FetchError(Exception):
    """A mirror didn't give the file: its answer, in a line; or none did: a line for each."""


def fetch(name: str, md5: str, folder: Path, mirrors: list[str]) -> Path:
    """The path of `folder/name`, downloaded if it isn't there yet.

    A file that is there is taken as it is: whether it is right, its reader says. Another process that wants
    the same file waits for this one. Raises FetchError with every mirror's answer, and OSError where the
    folder can't be written; neither leaves a file behind.
    """
    path, part, lock = (folder / file for file in (name, f".{name}.part", f".{name}.lock"))
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    answers: list[str] = []
    with FileLock(lock):
        try:
            for url in (mirror + name for mirror in mirrors if not path.exists()):
                begun, (failed, answer) = time.monotonic(), _failed.get(url, (-ASK_AGAIN, ""))
                if (ago := begun - failed) < ASK_AGAIN:
                    answers.append(f"  {url}: {answer} ({ago:.0f} s ago; asked again {ASK_AGAIN:.0f} s after that)")
                    continue
                try:
                    _download(url, md5, part)
                    part.replace(path)
                except FetchError as error:
                    printable = "".join(c if c.isprintable() else " " for c in str(error))  # it has the server's words
                    answers.append(f"  {url}: {printable:.300}")
                    if time.monotonic() - begun > TIMEOUT / 5:
                        _failed[url] = time.monotonic(), printable[:300]
        finally:
            part.unlink(missing_ok=True)
            with suppress(OSError):  # Windows keeps it; elsewhere, who waits on it finds it gone and takes a new one
                lock.unlink()
    if not path.exists():
        raise FetchError("\n".join(answers) or "  there is no mirror to ask")
    return path


def _download(url: str, md5: str, part: Path) -> None:
    logging.getLogger(__name__).info("fetching %s", url)
    with part.open("wb") as file:
        for chunk in _chunks(url):  # whose errors are the mirror's; those of writing are the disk's
            file.write(chunk)
    content = part.read_bytes()
    if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        page = content[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
        hint = ", a web page (does this network want a login?)" if page else ""
        raise FetchError(f"sent {len(content)} bytes with MD5 {found} instead of {md5}{hint}")


def _chunks(url: str) -> Iterator[bytes]:
    scheme = url.partition("://")[0]
    if scheme not in ("http", "https"):  # urllib would also open files
        raise FetchError(f"unknown url type {scheme[:20]!r}")
    request = urllib.request.Request(url, headers={"User-Agent": "digits"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            if not response.url.startswith(("https:", f"{scheme}:")):
                raise FetchError(f"redirects to {response.url}; only http(s) is followed, and from https only https")
            size, received, counted, since = response.length, 0, 0, time.monotonic()
            with tqdm(total=size, unit="B", unit_scale=True, desc=url.rpartition("/")[2], disable=None) as bar:
                while chunk := response.read1(1 << 16):
                    bar.update(len(chunk))
                    if (received := received + len(chunk)) > LARGEST or (size or 0) > LARGEST:
                        raise FetchError(f"has more than {LARGEST} bytes, which no file has")
                    if (seconds := time.monotonic() - since) > TIMEOUT:
                        if received - counted < SLOWEST * seconds:
                            raise FetchError(f"sent only {received - counted} bytes in {seconds:.1f} s")
                        counted, since = received, time.monotonic()
                    yield chunk
            if size is not None and received != size:
                raise FetchError(f"broke off after {received} of {size} bytes")
    except (OSError, HTTPException, ValueError) as error:
        raise FetchError(str(error) or type(error).__name__) from error
