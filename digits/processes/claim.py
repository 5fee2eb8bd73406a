"""Claims of directories: one process at a time works in a run's directory, from its first file to its last. No torch.

A process claims a directory by a lock on the file `.claim` in it, which the kernel frees when the process dies. The
file names the process; its modification time is a heartbeat, for machines that don't see each other's locks.
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

STALE = 6 * SIGN_OF_LIFE  # seconds without a heartbeat after which a process on another machine counts as dead


class Claim:
    """A directory that this process has claimed, until it is released or the process exits."""

    def __init__(self, directory: Path, descriptor: int, *, made: bool) -> None:
        self._directory, self._descriptor, self._made = directory, descriptor, made
        self._owner = os.getpid()
        self._released = threading.Event()
        threading.Thread(target=self._beat, name="claim", daemon=True).start()
        atexit.register(self.release)

    def release(self) -> None:
        """Release the directory; it is removed where the claim made it and it is empty."""
        if self._released.is_set() or os.getpid() != self._owner:  # a forked process has only a copy of the claim
            return
        self._released.set()
        atexit.unregister(self.release)
        with suppress(OSError):
            (self._directory / CLAIM).unlink()
        os.close(self._descriptor)
        if self._made:
            with suppress(OSError):  # not empty
                self._directory.rmdir()
        _CLAIMS.pop(self._directory.resolve(), None)

    def _beat(self) -> None:
        while not self._released.wait(SIGN_OF_LIFE):
            with suppress(OSError):
                os.utime(self._descriptor, (time.time(), time.time()))


_CLAIMS: dict[Path, Claim] = {}  # of this process


def claim(directory: Path, wait: float = 0.0) -> Claim | None:
    """Claim a directory, and make it if needed; None where this process has claimed it already.

    Waits at most `wait` seconds for another process. Then raises RunError, which names the process; OSError where
    nothing can be written.
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
    """Release all claims of this process, which is about to exit."""
    for held in list(_CLAIMS.values()):
        held.release()


@contextmanager
def claimed(directory: Path, wait: float = 0.0) -> Iterator[None]:
    """Claim a directory for the length of a with block; raises as `claim`."""
    held = claim(directory, wait)
    try:
        yield
    finally:
        if held is not None:
            held.release()


def _other_holder(path: Path, descriptor: int) -> str | None:
    """The other process that holds the directory, in words; None where it is free; empty where to try again."""
    locked, locks = True, True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        locked = False
    except OSError:  # a file system without locks: the heartbeat alone decides
        locked = locks = False
    try:
        if os.stat(path).st_ino != os.fstat(descriptor).st_ino:  # noqa: PTH116 (compared with os.fstat)
            return ""
    except FileNotFoundError:
        return ""
    process, host = _read(descriptor)
    elsewhere = bool(host) and host != socket.gethostname()
    if (elsewhere or not locks) and host and time.time() - os.fstat(descriptor).st_mtime < STALE:
        return f"process {process} on {host}"
    if locked or elsewhere or not locks:
        return None
    return f"process {process} on {host}" if host else "another process that has just started"


def _sign(descriptor: int) -> None:
    """Write this process and machine into the claim's file."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)


def _read(descriptor: int) -> tuple[str, str]:
    """The process and the machine that a claim names; empty where it names none."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return shown(str(holder["pid"])), shown(str(holder["host"]))
    except (ValueError, KeyError, TypeError):
        return "", ""
