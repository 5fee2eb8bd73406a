"""Limits of the server: sizes, numbers and times."""

from __future__ import annotations

import os
from dataclasses import dataclass

MEGABYTE = 1 << 20


def processors() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Limits:
    """Limits of what one client, or all together, can cost; the reader limits the pixels of a picture itself."""

    body_bytes: int = 16 * MEGABYTE
    """Size of one picture as sent; a phone's photo has 2 to 8 MB."""
    pending_bytes: int = 64 * MEGABYTE
    """Size of all pictures together that are being received or waiting to be read."""
    at_once: int = min(processors(), 2)
    """Pictures read at the same time, each in a thread; decoding takes up to some 300 MB each."""
    waiting: int = 64
    """Pictures that may wait for a thread; more are refused. Drawn strokes take milliseconds: under a second in all."""
    body_seconds: float = 15
    """Time for a picture to arrive: enough for 16 MB at 9 megabits a second."""
    reading_seconds: float = 10
    """Time from a picture's arrival to its answer, waiting included."""
    request_seconds: float = 30
    """Time from when a request can begin until its answer is received; after that the connection is closed."""
    connections: int = 200
    """Connections open at once; for one more, the one that has been idle for longest is closed."""
