"""Who works in a directory: one process at a time, from before its first file to its end. No torch.

A process claims a directory by a lock on the file `.claim` in it, which the kernel frees when that process dies. The
file says who it is; its time of change is a heartbeat, for machines whose locks don't reach one another.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from digits.config.files import shown
from digits.runs.layout import SIGN_OF_LIFE, RunError
from digits.runs.read import first_process

CLAIM = ".claim"

STALE = 6 * SIGN_OF_LIFE
"""Seconds without a heartbeat after which a process on another machine counts as dead."""


class Claim:
    """A directory that this process works in, until it is released or the process ends."""

    def __init__(self, directory: Path, descriptor: int, *, made: bool) -> None:
        self._directory, self._descriptor, self._made = directory, descriptor, made
        self._owner = os.getpid()
        self._released = threading.Event()
        threading.Thread(target=self._beat, name="claim", daemon=True).start()
        atexit.register(self.release)

    def release(self) -> None:
        """Let others in; a directory that was made for nothing goes."""
        if self._released.is_set() or os.getpid() != self._owner:  # a forked process has a copy, which is not its own
            return
        self._released.set()
        atexit.unregister(self.release)
        with suppress(OSError):
            (self._directory / CLAIM).unlink()
        os.close(self._descriptor)
        if self._made:
            with suppress(OSError):  # something is in it
                self._directory.rmdir()
        _CLAIMS.pop(self._directory.resolve(), None)

    def _beat(self) -> None:
        while not self._released.wait(SIGN_OF_LIFE):
            with suppress(OSError):
                os.utime(self._descriptor, (time.time(), time.time()))


_CLAIMS: dict[Path, Claim] = {}
"""What this process has claimed."""


def claim(directory: Path, wait: float = 0.0) -> Claim | None:
    """Claim a directory, made if it is not there, for `wait` seconds at most; None where this process has it already.

    Raises RunError, which says who holds it, and OSError where nothing can be written.
    """
    if directory.resolve() in _CLAIMS or not first_process():
        return None
    made, deadline, told = not directory.exists(), time.monotonic() + wait, False
    directory.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(directory / CLAIM, os.O_RDWR | os.O_CREAT, 0o644)
        holder = _other_holder(directory / CLAIM, descriptor)
        if holder is None:
            _sign(descriptor)
            held = _CLAIMS[directory.resolve()] = Claim(directory, descriptor, made=made)
            return held
        os.close(descriptor)
        if holder and time.monotonic() >= deadline:
            raise RunError(f"{directory} is still running ({holder}); end it first, or name another directory")
        if holder and not told:
            print(f"{directory}: waiting for {holder}, at most {wait:.0f} s", flush=True)
            told = True
        time.sleep(min(1.0, wait))


def release_all() -> None:
    """Let others into all that this process has claimed: it is about to end."""
    for held in list(_CLAIMS.values()):
        held.release()


@contextmanager
def claimed(directory: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold a directory's claim; raises as `claim`."""
    held = claim(directory, wait)
    try:
        yield
    finally:
        if held is not None:
            held.release()


def _other_holder(path: Path, descriptor: int) -> str | None:
    """Who else works in the directory, in words; None if nobody does; empty where one has just left."""
    locked, locks = True, True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        locked = False
    except OSError:  # a file system without locks: the heartbeat alone decides
        locked = locks = False
    try:
        if os.stat(path).st_ino != os.fstat(descriptor).st_ino:  # noqa: PTH116 (compared with the descriptor's)
            return ""
    except FileNotFoundError:
        return ""
    process, host = _read(descriptor)
    elsewhere = bool(host) and host != socket.gethostname()
    if (elsewhere or not locks) and host and time.time() - os.fstat(descriptor).st_mtime < STALE:
        return f"process {process} on {host}"
    if locked or elsewhere or not locks:
        return None
    return f"process {process} on {host}" if host else "another process that is just beginning"


def _sign(descriptor: int) -> None:
    """Say in the file who holds it."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)


def _read(descriptor: int) -> tuple[str, str]:
    """The process and the machine that a claim names; empty where it names none."""
    try:
        told = json.loads(os.pread(descriptor, 4096, 0))
        return shown(str(told["pid"])), shown(str(told["host"]))
    except (ValueError, KeyError, TypeError):
        return "", ""
