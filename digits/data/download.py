"""One download from a server that may do anything: it has an end in time and in size, and no way but HTTP."""

from __future__ import annotations

import http.client
import logging
import threading
import urllib.request
from http.client import HTTPMessage, HTTPResponse
from typing import IO, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

STALL = 5.0
"""Seconds over which a download's rate is measured, and after which a socket without a byte is given up."""

SLOWEST = 4096
"""Bytes a second below which a mirror is given up."""

LARGEST = 1 << 26
"""Bytes after which a download is broken off: 67 MB, where the largest file of these data sets has 26."""


class DownloadError(Exception):
    """The server didn't give the file; the message is its answer, in one line."""


class DiskError(Exception):
    """What came couldn't be written; its cause is the OSError."""


def download(url: str, file: BinaryIO, patience: float) -> None:
    """Write what a URL gives into a file.

    The server has `patience` seconds until its answer begins; then it must keep up a rate. Raises DownloadError when
    it doesn't, or gives anything but a whole file, and OSError when the file can't be written.
    """
    log.info("fetching %s", url)
    window = min(STALL, patience)
    transfer = Transfer(url, file, window)
    transfer.start()
    if not transfer.answered.wait(patience):
        raise DownloadError(f"no answer in {patience:.1f} s")
    before = 0
    while transfer.is_alive():
        transfer.join(window)
        received = transfer.received
        if transfer.is_alive() and received - before < SLOWEST * window:
            raise DownloadError(f"sent only {received - before} bytes in {window:.1f} s")
        before = received
    if isinstance(transfer.error, DiskError):
        assert transfer.error.__cause__ is not None
        raise transfer.error.__cause__
    if transfer.error is not None:
        raise DownloadError(_in_one_line(transfer.error)) from transfer.error


class Transfer(threading.Thread):
    """The server's side of a download, in a thread of its own.

    A socket's time-out covers neither name resolution nor redirects, nor headers or chunk lengths that come a byte at
    a time; so somebody else must look at the clock. One that is given up ends at its next write, since its file is
    closed by then.
    """

    def __init__(self, url: str, file: BinaryIO, timeout: float) -> None:
        super().__init__(daemon=True)
        self.url, self.file, self.timeout = url, file, timeout
        self.answered = threading.Event()
        self.received = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Ask, and write what comes."""
        try:
            request = urllib.request.Request(self.url, headers={"User-Agent": "digits"})
            with _opener().open(request, timeout=self.timeout) as response:
                self.answered.set()
                self._store(response)
        except Exception as error:  # carried over to the waiting thread, whatever it is
            self.error = error
        finally:
            self.answered.set()

    def _store(self, response: HTTPResponse) -> None:
        promised = response.length
        if promised is not None and promised > LARGEST:
            raise DownloadError(f"promises {promised} bytes, where no file has more than {LARGEST}")
        while chunk := response.read1(1 << 16):
            self.received += len(chunk)
            if self.received > LARGEST:
                raise DownloadError(f"sent more than {LARGEST} bytes, which no file has")
            try:
                self.file.write(chunk)
            except OSError as error:
                raise DiskError from error
        if promised is not None and self.received != promised:
            raise DownloadError(f"broke off after {self.received} of {promised} bytes")


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to HTTP or HTTPS, but none that gives encryption up."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows, or HTTPError."""
        fp.close()  # urllib would read it to its end, wherever that is
        scheme, next_scheme = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if next_scheme not in ("http", "https") or (scheme, next_scheme) == ("https", "http"):
            raise HTTPError(req.full_url, code, f"leads to {newurl}, where nobody follows", headers, None)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP, HTTPS and the environment's proxies; urllib's own would also open files and FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _in_one_line(error: Exception) -> str:
    """What went wrong; parts of it are the server's own words, so without line ends and terminal codes."""
    if isinstance(error, HTTPError):
        text = f"HTTP {error.code} {error.reason}"
    elif isinstance(error, URLError):
        text = str(error.reason)
    elif isinstance(error, http.client.IncompleteRead):
        text = "broke off in the middle"
    else:
        text = str(error) or type(error).__name__
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:300]
