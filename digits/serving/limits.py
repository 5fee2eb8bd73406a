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
    """Bounds of what one client, or all together, can cost; the pixels of a picture are bounded by the reader."""

    body_bytes: int = 16 * MEGABYTE
    """Of one picture as sent: a phone's photo has 2 to 8 MB."""
    pending_bytes: int = 64 * MEGABYTE
    """Of all pictures that are being received or waiting to be read."""
    at_once: int = min(processors(), 2)
    """Pictures read at the same time, each by a thread; the largest take some 300 MB each while they are decoded."""
    waiting: int = 64
    """Pictures that may wait for a thread; more are refused. A stroke takes milliseconds: under a second in all."""
    body_seconds: float = 15
    """For a picture to arrive: 16 MB at 9 megabits a second."""
    reading_seconds: float = 10
    """From a picture's arrival to its answer, waiting included."""
    request_seconds: float = 30
    """From the moment a request could begin until its answer was received; then the connection is closed."""
    connections: int = 200
    """Open at once; for one more, the one that has been idle for longest is closed."""
