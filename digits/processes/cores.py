"""How many cores there are for us. No torch."""

from __future__ import annotations

import os


def cores() -> int:
    """The cores that this process may use, by its affinity and its container's share."""
    from joblib import cpu_count  # 0.1 s, where it is asked

    return int(cpu_count())


MEMORY = 2 * 2**30
"""Bytes for a job: torch, the data and the largest steps of what ships took up to 1.8 GB."""


def jobs_at_once(most: int) -> int:
    """As many jobs as there are cores and memory for, and no more than `most`: theirs are then the cores left over."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else most * MEMORY
    return max(1, min(most, cores(), memory // MEMORY))


def threads_each(most: int) -> int:
    """The cores that each of `jobs_at_once(most)` jobs has to itself."""
    return max(1, cores() // jobs_at_once(most))
