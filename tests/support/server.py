"""Servers in processes of their own, for the tests to talk to; run as a module, one with a stand-in for the reader."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from digits.reading.result import Digit, Reading
from digits.serving.app import make_app
from digits.serving.limits import Limits
from digits.serving.server import address_of, bind, run_server

SHORT = Limits(body_bytes=100_000, body_seconds=0.5, reading_seconds=1, request_seconds=2, connections=20, waiting=40)
"""Every clock so short that a test can wait for it."""

IMAGE = {"content-type": "image/png"}


def stand_in(body: bytes) -> Reading:
    """A reader that finds as many sevens as the body's first byte says, and takes its time over what begins with z.

    What begins with e it never stops reading.
    """
    while body.startswith(b"e"):
        time.sleep(1)
    if body.startswith(b"z"):
        time.sleep(0.2)
    patch = np.zeros((28, 28), np.uint8)
    patch[5:20, 12] = 255
    digit = Digit(7, 0.75, (0.0,) * 7 + (0.75, 0.05, 0.1), (1, 2, 30, 40), 0, patch)
    return Reading((digit,) * int(body[:1].decode() if body[:1].isdigit() else 1), 64, 48, confidence=0.6)


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(*command: str) -> Iterator[Running]:
    """`python -m COMMAND` until it says where it listens; ended afterwards, and what it complained of is an error."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        if "http://" not in said:
            process.kill()
            raise AssertionError(f"it did not start: {said}{process.communicate()[1]}")
        yield Running(process, int(said.split("http://")[1].split("/")[0].rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            complaints = process.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert complaints == ""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    listening = bind("127.0.0.1", 0)
    print(address_of(listening), flush=True)
    run_server(make_app(stand_in, {}, SHORT), listening, SHORT)
