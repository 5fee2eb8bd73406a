"""Download of one file from the first mirror that delivers it intact: checked, limited, one process at a time."""

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
SLOWEST = 4096  # bytes of content per second below which a mirror is given up; slow headers are waited for
LARGEST = 1 << 26  # bytes above which a file is refused: 67 MB; the largest file of these data sets has 26
ASK_AGAIN = 120.0  # seconds for which a slow failure is remembered, so that not every job of a sweep waits for it

_failed: dict[str, tuple[float, str]] = {}  # by URL: time and message of its last slow failure in this process


class FetchError(Exception):
    """A failed download: one line with a mirror's answer, or one line for each mirror where all failed."""


def fetch(name: str, md5: str, folder: Path, mirrors: list[str]) -> Path:
    """The path of `folder/name`, downloaded if it does not exist yet.

    An existing file is not checked here; its reader does that. Another process that wants the same file waits for this
    one. Raises FetchError with every mirror's answer, and OSError where the folder can't be written; in both cases no
    file remains.
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
                    printable = "".join(c if c.isprintable() else " " for c in str(error))  # the server's text
                    answers.append(f"  {url}: {printable:.300}")
                    if time.monotonic() - begun > TIMEOUT / 5:
                        _failed[url] = time.monotonic(), printable[:300]
        finally:
            part.unlink(missing_ok=True)
            with suppress(OSError):  # Windows keeps a held lock; elsewhere a waiting process then makes a new one
                lock.unlink()
    if not path.exists():
        raise FetchError("\n".join(answers) or "  no mirror is configured")
    return path


def _download(url: str, md5: str, part: Path) -> None:
    logging.getLogger(__name__).info("fetching %s", url)
    with part.open("wb") as file:
        for chunk in _chunks(url):  # its errors are the mirror's (FetchError), those of writing the disk's (OSError)
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
                        raise FetchError(f"has more than {LARGEST} bytes, which no file of a data set has")
                    if (seconds := time.monotonic() - since) > TIMEOUT:
                        if received - counted < SLOWEST * seconds:
                            raise FetchError(f"sent only {received - counted} bytes in {seconds:.1f} s")
                        counted, since = received, time.monotonic()
                    yield chunk
            if size is not None and received != size:
                raise FetchError(f"broke off after {received} of {size} bytes")
    except (OSError, HTTPException, ValueError) as error:
        raise FetchError(str(error) or type(error).__name__) from error
